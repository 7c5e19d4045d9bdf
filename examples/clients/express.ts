import express, { type Express } from 'express';
import type { VerdictClient } from 'verdict/client';
import { verdict } from 'verdict/client/express';

/** A control plane on Express. `X-User` stands for whoever its own login says is there. */
export const controlPlane = (client: Pick<VerdictClient, 'evaluate'>): Express => {
  const app = express();
  app.use(
    '/v1/instances/:id',
    verdict(client, (request) => ({
      subject: { type: 'user', id: request.get('x-user') ?? 'nobody' },
      action: { name: request.method === 'DELETE' ? 'instance.delete' : 'instance.get' },
      resource: { type: 'instance', id: String(request.params['id']) },
    })),
  );
  app.get('/v1/instances/:id', (request, response) => {
    response.json({ id: request.params['id'] });
  });
  app.delete('/v1/instances/:id', (_, response) => {
    response.status(204).end();
  });
  return app;
};
