import { Hono } from 'hono';
import type { VerdictClient } from 'verdict/client';
import { verdict } from 'verdict/client/hono';

/** A control plane on Hono. `X-User` stands for whoever its own login says is there. */
export const controlPlane = (client: Pick<VerdictClient, 'evaluate'>): Hono => {
  const app = new Hono();
  app.use(
    '/v1/instances/:id',
    verdict(client, (c) => ({
      subject: { type: 'user', id: c.req.header('x-user') ?? 'nobody' },
      action: { name: c.req.method === 'DELETE' ? 'instance.delete' : 'instance.get' },
      resource: { type: 'instance', id: c.req.param('id') ?? '' },
    })),
  );
  app.get('/v1/instances/:id', (c) => c.json({ id: c.req.param('id') }));
  app.delete('/v1/instances/:id', (c) => c.body(null, 204));
  return app;
};
