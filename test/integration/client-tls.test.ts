import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type VerdictClientConfig, verdictClient } from '../../src/client/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { type RunningVerdict, removeFolder, startVerdict, temporaryFolder } from '../peers/verdict.js';

const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } };

describe('the client in code, where Verdict asks for a certificate', () => {
  const folder = temporaryFolder();
  let node: RunningVerdict;
  let own: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };

  beforeAll(async () => {
    const ca = makeAuthority(folder, 'authority');
    const [server, client] = [makeCertificate(folder, 'authority', 'server'), makeCertificate(folder, 'authority', 'client')];
    own = { ca: readFileSync(ca), cert: readFileSync(client.cert), key: readFileSync(client.key) };
    node = await startVerdict({ folder, env: { VERDICT_HTTP_TLS_CERT: server.cert, VERDICT_HTTP_TLS_KEY: server.key, VERDICT_HTTP_TLS_CLIENT_CA: ca } });
  });

  afterAll(async () => {
    expect(await node?.stop()).toBe(0);
    removeFolder(folder);
  });

  const evaluate = async (tls: VerdictClientConfig['tls']) => {
    const client = verdictClient({ url: node.url, token: node.token, timeoutMs: 10_000, ...(tls && { tls }) });
    try {
      return await client.evaluate(question);
    } finally {
      client.close();
    }
  };

  it('is answered with one', async () => {
    const decision = await evaluate(own);
    expect(decision.id).toMatch(/^evt-/);
    expect(decision).not.toHaveProperty('error');
  });

  it('is not, and denies, without one, or where it does not trust Verdict’s', async () => {
    expect(await evaluate({ ca: own.ca })).toMatchObject({ decision: false, reasons: [{ code: 'client.unreachable' }] });
    expect(await evaluate(undefined)).toMatchObject({ decision: false, reasons: [{ code: 'client.unreachable' }] });
  });
});
