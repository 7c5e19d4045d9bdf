import type { Context, MiddlewareHandler } from 'hono';
import type { VerdictClient } from './client.js';
import { type Asked, gate } from './gate.js';

/** Asks Verdict before the routes behind it: `app.use('/v1/*', verdict(client, (c) => ({ subject, action, resource })))`. */
export const verdict =
  (client: Pick<VerdictClient, 'evaluate'>, question: (c: Context) => Asked | Promise<Asked>): MiddlewareHandler =>
  async (c, next) => {
    const found = await gate(client, await question(c));
    if (!found.pass) return c.body(found.body, found.status, found.headers);
    for (const [name, value] of Object.entries(found.headers)) c.header(name, value);
    return next();
  };
