// @ts-check
import { Hono } from 'hono';
import { Refused } from './request.mjs';
import { account } from './routes/account.mjs';
import { instances } from './routes/instances.mjs';
import { network } from './routes/network.mjs';
import { storage } from './routes/storage.mjs';
import { team } from './routes/team.mjs';
import { tokens } from './routes/tokens.mjs';
import { LibvirtError } from './virsh.mjs';

/**
 * The control plane. It checks nobody's rights: whoever reaches it may do everything, so it listens on loopback and
 * the gateway alone should reach it.
 * @param {{ state: ReturnType<typeof import('./state.mjs').openState>, libvirt: ReturnType<typeof import('./virsh.mjs').openLibvirt> }} parts
 */
export const createApp = (parts) => {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok', libvirt: parts.libvirt.uri, domains: parts.libvirt.type() }));
  for (const routes of [account, instances, storage, network, team, tokens]) routes(app, parts);
  app.notFound((c) => c.json({ error: { message: `There is no ${c.req.method} ${c.req.path}.` } }, 404));
  app.onError((error, c) => {
    if (error instanceof Refused) return c.json({ error: { message: error.message } }, error.status);
    if (error instanceof LibvirtError) return c.json({ error: { message: `libvirt: ${error.message}` } }, 409);
    console.error(error);
    return c.json({ error: { message: 'The platform failed; see its output.' } }, 500);
  });
  return app;
};
