import type { Request, RequestHandler } from 'express';
import type { VerdictClient } from './client.js';
import { type Asked, gate } from './gate.js';

/** Asks Verdict before the routes behind it: `app.use('/v1', verdict(client, (request) => ({ subject, action, resource })))`. */
export const verdict =
  (client: Pick<VerdictClient, 'evaluate'>, question: (request: Request) => Asked | Promise<Asked>): RequestHandler =>
  async (request, response, next) => {
    const found = await gate(client, await question(request));
    response.set(found.headers);
    if (found.pass) next();
    else response.status(found.status).send(found.body);
  };
