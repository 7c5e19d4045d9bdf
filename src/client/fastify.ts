import type { FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import type { VerdictClient } from './client.js';
import { type Asked, gate } from './gate.js';

/** Asks Verdict before a route's handler: `app.addHook('preHandler', verdict(client, (request) => ({ subject, action, resource })))`. */
export const verdict =
  (client: Pick<VerdictClient, 'evaluate'>, question: (request: FastifyRequest) => Asked | Promise<Asked>): preHandlerAsyncHookHandler =>
  async (request, reply) => {
    const found = await gate(client, await question(request));
    reply.headers(found.headers);
    if (!found.pass) return reply.code(found.status).send(found.body);
  };
