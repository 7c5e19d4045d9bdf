import { expect, it } from 'vitest';
import { buildRelease, type SigningAlgorithm, signingKey } from '../../test/peers/bundles.js';
import { describeWithOpa } from '../../test/peers/opa.js';
import { type BundleFiles, packBundle, readBundle } from '../evaluate/bundle.js';
import { verificationKeys } from './keys.js';
import { verifySignature } from './signature.js';

const ALGORITHMS: readonly SigningAlgorithm[] = ['EdDSA', 'ES256', 'RS256'];
const made = Object.fromEntries(ALGORITHMS.map((algorithm) => [algorithm, signingKey(algorithm)])) as Record<SigningAlgorithm, ReturnType<typeof signingKey>>;
const pin = (algorithm: SigningAlgorithm, id = 'default', scope = '') => verificationKeys({ [id]: { key: made[algorithm].publicKey, algorithm, scope } });

/** Numbers that a floating-point reader spells otherwise, and text that encoders escape in their own ways. */
const TRAPS = '{"n":[1.0,1e2,1E+2,-0,12345678901234567890.10],"<é\\u2028>":"\\b\\f\\u001f\\u007f&","\\uff5e":1,"\\ud83d\\ude00":2,"empty":[{},[]],"":null}';

const changed = (files: BundleFiles, change: (files: Map<string, Buffer>) => void): BundleFiles => {
  const copy = new Map(files);
  change(copy);
  return copy;
};

await describeWithOpa('the signature of a bundle that OPA made', (opa) => {
  const filesOf = async (algorithm: SigningAlgorithm, extra: object = {}): Promise<BundleFiles> =>
    readBundle(await buildRelease(opa, { release: 'r1', sequence: 7, data: TRAPS, sign: { key: made[algorithm], ...extra } }));

  it.each(ALGORITHMS)('by %s is believed, however its JSON is spelt, and by its own key only', async (algorithm) => {
    const files = await filesOf(algorithm);
    expect([...files.keys()].sort()).toEqual(['.manifest', '.signatures.json', 'data.json', 'policy.rego', 'policy.wasm']);
    expect(await verifySignature(files, pin(algorithm))).toBe('default');
    expect(await verifySignature(await readBundle(await packBundle(files)), pin(algorithm))).toBe('default');
    const indented = changed(files, (copy) => copy.set('.manifest', Buffer.from(`\n ${String(copy.get('.manifest'))} `)));
    expect(await verifySignature(indented, pin(algorithm))).toBe('default');

    const others = verificationKeys({ default: { key: signingKey(algorithm).publicKey, algorithm, scope: '' } });
    await expect(verifySignature(files, others)).rejects.toThrow(`The policy bundle's signature doesn't fit the pinned key default (${algorithm}).`);
    for (const other of ALGORITHMS.filter((one) => one !== algorithm))
      await expect(verifySignature(files, pin(other))).rejects.toThrow("doesn't fit the pinned key");
  });

  it('is refused where a file was changed, added, taken away or renamed', async () => {
    const files = await filesOf('EdDSA');
    const cases: readonly [string, (copy: Map<string, Buffer>) => void, string][] = [
      ['one byte of code', (copy) => (copy.get('policy.wasm') as Buffer).writeUInt8(1, 20), 'policy.wasm is not what was signed'],
      ['source', (copy) => copy.set('policy.rego', Buffer.from(`${String(copy.get('policy.rego'))}\n`)), 'policy.rego is not what was signed'],
      [
        'a number spelt otherwise',
        (copy) => copy.set('data.json', Buffer.from(String(copy.get('data.json')).replace('1.0', '1'))),
        'data.json is not what was signed',
      ],
      [
        'a key twice',
        (copy) => copy.set('data.json', Buffer.from(String(copy.get('data.json')).replace('{', '{"release":"r2",'))),
        'has the key "release" twice',
      ],
      ['the sequence', (copy) => copy.set('.manifest', Buffer.from(String(copy.get('.manifest')).replace('7', '8'))), '.manifest is not what was signed'],
      ['another file', (copy) => copy.set('more.rego', Buffer.from('')), "holds more.rego, which its signature doesn't name"],
      ['a path upwards', (copy) => copy.set('../policy.wasm', Buffer.from('')), 'which is no plain path'],
      ['a path with a backslash', (copy) => copy.set('a\\policy.wasm', Buffer.from('')), 'which is no plain path'],
      ['a file less', (copy) => copy.delete('policy.rego'), 'lacks policy.rego, which its signature names'],
      ['no signature', (copy) => copy.delete('.signatures.json'), 'is not signed'],
      ['two signatures', (copy) => copy.set('.signatures.json', Buffer.from('{"signatures":["a.b.c","a.b.c"]}')), 'exactly one signature'],
      ['no token', (copy) => copy.set('.signatures.json', Buffer.from('{"signatures":["abc"]}')), 'holds no JSON Web Signature'],
      ['a plugin', (copy) => copy.set('.signatures.json', Buffer.from('{"signatures":["a.b.c"],"plugin":"own"}')), 'the plugin own'],
    ];
    for (const [what, change, why] of cases) {
      const copy = changed(new Map([...files].map(([name, content]) => [name, Buffer.from(content)])), change);
      await expect(verifySignature(copy, pin('EdDSA')), what).rejects.toThrow(why);
    }
  });

  it('chooses neither its key nor its algorithm: a header that says otherwise is nothing worth', async () => {
    const files = await filesOf('RS256');
    const { signatures } = JSON.parse(String(files.get('.signatures.json'))) as { signatures: [string] };
    const [, payload, signature] = signatures[0].split('.');
    for (const alg of ['none', 'HS256', 'ES256', 'PS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'default' })).toString('base64url');
      const forged = changed(files, (copy) => copy.set('.signatures.json', Buffer.from(JSON.stringify({ signatures: [`${header}.${payload}.${signature}`] }))));
      await expect(verifySignature(forged, pin('RS256')), alg).rejects.toThrow("doesn't fit the pinned key");
    }
  });

  it('names the key it was made with; unnamed, each pinned one may be it; an unknown one is refused by name', async () => {
    const named = await filesOf('EdDSA', { id: 'release-2026' });
    expect(await verifySignature(named, [...pin('ES256', 'other'), ...pin('EdDSA', 'release-2026')])).toBe('release-2026');
    await expect(verifySignature(named, pin('EdDSA', 'release-2027'))).rejects.toThrow('signed with the key release-2026');
    expect(await verifySignature(await filesOf('EdDSA'), [...pin('ES256', 'other'), ...pin('EdDSA', 'mine')])).toBe('mine');
  });

  it('counts for its scope only', async () => {
    const scoped = await filesOf('EdDSA', { claims: { scope: 'verdict' } });
    expect(await verifySignature(scoped, pin('EdDSA', 'default', 'verdict'))).toBe('default');
    await expect(verifySignature(scoped, pin('EdDSA'))).rejects.toThrow('signed for the scope "verdict"');
    await expect(verifySignature(await filesOf('EdDSA'), pin('EdDSA', 'default', 'verdict'))).rejects.toThrow('signed for the scope ""');
  });
});
