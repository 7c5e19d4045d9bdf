// Builds the Traefik that tests run against from the Go module proxy, into a cache kept between runs: `node
// scripts/peers/traefik.mjs`. That takes ten minutes of a machine's time, so `npm test` doesn't: its tests of Traefik
// run where this was run before.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const TRAEFIK_VERSION = 'v3.5.0';
const MODULE = `github.com/traefik/traefik/v3@${TRAEFIK_VERSION}`;

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers', 'traefik');
const path = join(cache, TRAEFIK_VERSION);

/** Where Traefik is, if it was built: `{ path }`, or `{ reason }`. */
export const traefikPeer = () =>
  existsSync(path)
    ? { path }
    : { reason: `Traefik tests are left out: Traefik ${TRAEFIK_VERSION} isn't built. Run \`node scripts/peers/traefik.mjs\` (it needs Go).` };

/** Its go.mod replaces modules, so that it is built in a copy of its own; the pages of its dashboard are in no module. */
const buildTraefik = async () => {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'build-'));
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', MODULE], { cwd: folder, env: { ...process.env, GO111MODULE: 'on' } });
    const source = join(folder, 'source');
    cpSync(JSON.parse(stdout).Dir, source, { recursive: true });
    await run('chmod', ['-R', 'u+w', source]);
    mkdirSync(join(source, 'webui', 'static'), { recursive: true });
    writeFileSync(join(source, 'webui', 'static', 'index.html'), '<title>Traefik</title>');
    await run('go', ['build', '-o', join(folder, 'traefik'), './cmd/traefik'], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
      maxBuffer: 64 * 1024 * 1024,
    });
    renameSync(join(folder, 'traefik'), path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (!existsSync(path)) await buildTraefik();
  console.log(path);
}
