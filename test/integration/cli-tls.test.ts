import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { type RunningVerdict, removeFolder, startVerdict, temporaryFolder } from '../peers/verdict.js';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');

describe('the command line against a node that asks for client certificates', () => {
  const folder = temporaryFolder();
  let node: RunningVerdict;
  let ca: string;
  let client: { readonly cert: string; readonly key: string };

  beforeAll(async () => {
    ca = makeAuthority(folder, 'authority');
    const server = makeCertificate(folder, 'authority', 'server');
    client = makeCertificate(folder, 'authority', 'client');
    const env = { VERDICT_HTTP_TLS_CERT: server.cert, VERDICT_HTTP_TLS_KEY: server.key, VERDICT_HTTP_TLS_CLIENT_CA: ca };
    node = await startVerdict({ folder, env });
  });

  afterAll(async () => {
    await node?.stop();
    removeFolder(folder);
  });

  const list = (...options: readonly string[]): Promise<{ readonly code: number | null; readonly err: string }> =>
    new Promise((done) => {
      const env = { PATH: process.env['PATH'], VERDICT_DATA_DIR: join(folder, 'data') };
      const child = spawn(process.execPath, [BINARY, 'keys', 'list', '--url', node.url, ...options], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
      let err = '';
      child.stderr.on('data', (part: Buffer) => {
        err += part.toString();
      });
      child.on('close', (code) => done({ code, err }));
    });

  it('is answered when both sides are certified', async () => {
    expect(await list('--ca', ca, '--cert', client.cert, '--key', client.key)).toMatchObject({ code: 0 });
  });

  it('trusts no certificate of an authority that it was not told of', async () => {
    expect(await list('--cert', client.cert, '--key', client.key)).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^No node could be reached at https:.*certificate.*\n$/),
    });
  });

  it('is not answered without a certificate of its own', async () => {
    expect((await list('--ca', ca)).code).toBe(3);
  });

  it('says which file it can not read', async () => {
    expect(await list('--ca', 'missing.pem')).toMatchObject({ code: 2, err: expect.stringContaining("missing.pem can't be read") });
  });
});
