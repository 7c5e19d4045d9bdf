// `npm run bench`: sets up what is missing, builds, and measures. On Debian as root it installs the load generator and rsyslog too.
import { fileURLToPath } from 'node:url';
import { debianCommand } from './peers/debian.mjs';
import { rsyslogPeer } from './peers/rsyslog.mjs';
import { build, install } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
install(root);
build(root);
debianCommand('wrk');
rsyslogPeer();
await import('./bench.mjs');
