import fastify, { type FastifyInstance } from 'fastify';
import type { VerdictClient } from 'verdict/client';
import { verdict } from 'verdict/client/fastify';

type Instance = { readonly id: string };

/** A control plane on Fastify. `X-User` stands for whoever its own login says is there. */
export const controlPlane = (client: Pick<VerdictClient, 'evaluate'>): FastifyInstance => {
  const app = fastify();
  app.addHook(
    'preHandler',
    verdict(client, ({ headers, method, params }) => ({
      subject: { type: 'user', id: String(headers['x-user'] ?? 'nobody') },
      action: { name: method === 'DELETE' ? 'instance.delete' : 'instance.get' },
      resource: { type: 'instance', id: (params as Instance).id },
    })),
  );
  app.get<{ Params: Instance }>('/v1/instances/:id', async ({ params }) => ({ id: params.id }));
  app.delete('/v1/instances/:id', (_, reply) => reply.code(204).send());
  return app;
};
