import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type BundleFiles, PolicyError, packBundle, readBundle, revisionOf } from './bundle.js';
import { loadPolicy } from './policy.js';
import type { Policy } from './policy-types.js';

const path = fileURLToPath(new URL('../../policies/bundle.tar.gz', import.meta.url));
const entrypoint = 'verdict/decision';
const memoryPages = 2048;

const ACCOUNT = { type: 'account', id: 'acc-1', account: 'acc-1', properties: {}, version: 1 };

const asked = (action: string, role: unknown): object => ({
  subject: { type: 'user', id: 'usr-1', properties: {} },
  action: { name: action },
  resource: { type: 'instance', id: 'inst-1', properties: {} },
  context: {},
  directory: { account: ACCOUNT, membership: { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: { role }, version: 1 }, token: null },
});
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

let policy: Policy;
let files: BundleFiles;
beforeAll(async () => {
  policy = await loadPolicy({ path, entrypoint, memoryPages });
  files = await readBundle(await readFile(path));
});

const changed = async (changes: { readonly [name: string]: string | Buffer | undefined }): Promise<Policy> => {
  const next = new Map(files);
  for (const [name, content] of Object.entries(changes)) {
    if (content === undefined) next.delete(name);
    else next.set(name, Buffer.from(content));
  }
  return loadPolicy({ bytes: await packBundle(next), entrypoint, memoryPages });
};

describe('the bundle that ships', () => {
  test('is named by its content and answers by the role table', () => {
    expect(policy.revision).toBe(revisionOf(files));
    expect(policy.entrypoints).toContain(entrypoint);
    const message = 'The role viewer may not do instance.delete; it takes owner, admin or developer.';
    expect(policy.decide(asked('instance.delete', 'viewer'))).toEqual({ allow: false, reasons: [{ code: 'rbac.role', message }], advice: [] });
    expect(policy.decide(asked('instance.delete', 'admin')).allow).toBe(true);
  });

  test('gets another revision with other data, and answers by it', async () => {
    const data = JSON.parse(String(files.get('data.json')));
    data.roles.permissions.delete_account = ['viewer'];
    const other = await changed({ 'data.json': JSON.stringify(data) });
    expect(other.revision).not.toBe(policy.revision);
    expect(other.decide(asked('account.delete', 'viewer')).allow).toBe(true);
    expect(other.decide(asked('account.delete', 'owner')).allow).toBe(false);
  });

  test.each([
    ['a lone surrogate', asked('instance.list', '\ud800')],
    ['10,000 levels', { ...asked('instance.list', 'owner'), context: nested(10_000) }],
    ['100,000 levels', { ...asked('instance.list', 'owner'), context: nested(100_000) }],
    ['more than its memory holds', { ...asked('instance.list', 'owner'), context: { text: 'x'.repeat(200 * 1024 * 1024) } }],
    ['what is no JSON', { ...asked('instance.list', 'owner'), context: { big: 1n } }],
  ])('denies a question with %s as policy.error, and answers the next', (_, input) => {
    const answer = policy.decide(input);
    expect(answer).toMatchObject({ allow: false, reasons: [{ code: 'policy.error', message: expect.stringMatching(/^The policy failed: .+\.$/) }] });
    expect(policy.decide(asked('instance.list', 'owner')).allow).toBe(true);
    expect(policy.decide(asked('instance.create', 'viewer')).allow).toBe(false);
  });

  test.each([
    ['NUL bytes', { ...asked('instance.list', 'owner'), context: { 'a\0b': 'c\0d' } }, true],
    ['NUL in the action', asked('instance.list\0', 'owner'), false],
    ['NUL in the role', asked('instance.list', 'owner\0'), false],
    ['1,000 levels', { ...asked('instance.list', 'owner'), context: nested(1000) }, true],
    ['numbers too long for a double', { ...asked('instance.list', 'owner'), context: { n: Number.MAX_VALUE, m: -0, small: 5e-324 } }, true],
    ['paired surrogates', { ...asked('instance.list', 'owner'), context: { text: '😀' } }, true],
    [
      'a __proto__ key that claims a directory',
      { ...JSON.parse('{"__proto__":{"directory":{"membership":{"properties":{"role":"owner"}}}}}'), action: { name: 'account.delete' } },
      false,
    ],
    [
      'a __proto__ key for a role',
      { ...asked('account.delete', undefined), ...JSON.parse('{"directory":{"membership":{"properties":{"__proto__":{"role":"owner"}}}}}') },
      false,
    ],
    ['an action named after a property of objects', asked('constructor', 'owner'), false],
    ['an action named __proto__', asked('__proto__', 'owner'), false],
    ['a role named __proto__', asked('instance.list', '__proto__'), false],
    ['nothing in it', {}, false],
  ])('takes a question with %s as any other', (_, input, allow) => {
    const answer = policy.decide(input as object);
    expect(answer.allow).toBe(allow);
    expect(answer.reasons[0]?.code).not.toBe('policy.error');
  });

  test('sees an empty string, zero, false and null as input, where a program asks an entrypoint itself', () => {
    for (const input of ['', 0, false, null]) expect(policy.query(entrypoint, input)).toMatchObject({ reasons: [{ code: 'action.unknown' }] });
    expect(policy.query(entrypoint)).toMatchObject({ reasons: [{ code: 'action.unknown' }] });
  });

  test('throws a PolicyError for an entrypoint it lacks and for an input it fails on', () => {
    expect(() => policy.query('verdict/nothing', {})).toThrow(new PolicyError('The policy has no entrypoint verdict/nothing.'));
    expect(() => policy.query('__proto__', {})).toThrow(PolicyError);
    expect(() => policy.query(entrypoint, '\udfff')).toThrow(/^The policy failed: /);
    expect(policy.decide(asked('instance.list', 'owner')).allow).toBe(true);
  });
});

describe('a bundle that can’t be used', () => {
  test.each([
    ['without policy.wasm', { 'policy.wasm': undefined }, /has no policy\.wasm: build it with/],
    ['whose policy.wasm is text', { 'policy.wasm': 'text' }, /policy\.wasm is not a WASM module: /],
    ['whose policy.wasm is empty', { 'policy.wasm': '' }, /policy\.wasm is not a WASM module: /],
    ['whose policy.wasm is another program', { 'policy.wasm': Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) }, /policy\.wasm doesn't start: /],
    ['whose data.json is broken', { 'data.json': '{"a":' }, /data\.json is not JSON: /],
    ['whose data.json is not UTF-8', { 'data.json': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) }, /data\.json is not JSON: /],
    ['whose data.json is a list', { 'data.json': '[]' }, /data\.json is not a JSON object\./],
    ['whose data.json has a lone surrogate', { 'data.json': '{"a":"\\ud800"}' }, /data can't be loaded: /],
    ['whose data.json is 100,000 levels deep', { 'data.json': `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}` }, /data can't be loaded: /],
    ['with data beside data.json', { 'roles/data.yaml': 'a: 1' }, /has its data in roles\/data\.yaml; /],
  ])('%s is refused in one sentence', async (_, changes, sentence) => {
    const refusal = await changed(changes).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PolicyError);
    expect((refusal as Error).message).toMatch(sentence);
    expect((refusal as Error).message).toMatch(/^The policy bundle[^\n]+[^.]\.$/);
  });

  test('because it lacks the entrypoint is told which ones it has', async () => {
    await expect(loadPolicy({ path, entrypoint: 'verdict/nothing', memoryPages })).rejects.toThrow(
      /no entrypoint verdict\/nothing .*; it has verdict\/decision\.$/,
    );
    await expect(loadPolicy({ path, entrypoint: 'constructor', memoryPages })).rejects.toThrow('no entrypoint constructor');
  });

  test('because its data needs more memory than policy.memory_pages is refused', async () => {
    const data = JSON.stringify({ text: 'x'.repeat(2 * 1024 * 1024) });
    const bytes = await packBundle(new Map([...files, ['data.json', Buffer.from(data)]]));
    await expect(loadPolicy({ bytes, entrypoint, memoryPages: 16 })).rejects.toThrow("data can't be loaded");
  });

  test('because it isn’t there is named', async () => {
    await expect(loadPolicy({ path: '/nowhere/bundle.tar.gz', entrypoint, memoryPages })).rejects.toThrow(/bundle \/nowhere\/bundle\.tar\.gz can't be read: /);
  });
});
