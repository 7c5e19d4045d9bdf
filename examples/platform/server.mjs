// @ts-check
// A small control plane of a KVM cloud, to stand behind Verdict's gateway: see README.md.
import { serve } from '@hono/node-server';
import { createApp } from './app.mjs';
import { openState } from './state.mjs';
import { findLibvirt } from './virsh.mjs';

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

try {
  const libvirt = await findLibvirt(say);
  const app = createApp({ state: openState(process.env['PLATFORM_STATE'] || undefined), libvirt });
  // It trusts whoever reaches it: nobody but this machine does.
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env['PLATFORM_PORT'] ?? 9000) }, ({ port }) => {
    say(`The platform listens on http://127.0.0.1:${port}; its instances are ${libvirt.type()} domains at ${libvirt.uri}`);
  });
  const stop = () => {
    libvirt.close();
    server.close(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
  process.exitCode = 1;
}
