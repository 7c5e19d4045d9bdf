import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { packBundle, readBundle, revisionOf } from './bundle.js';

const files = new Map([
  ['policy.wasm', Buffer.from('wasm')],
  ['data.json', Buffer.from('{}')],
]);

const tarOf = async (entries: readonly { readonly name: string; readonly content: string; readonly mtime?: Date }[]): Promise<Buffer> => {
  const tar = pack();
  for (const { name, content, mtime } of entries) tar.entry({ name, ...(mtime && { mtime }) }, content);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
};

describe('a bundle', () => {
  test('comes back from its packed bytes as it was', async () => {
    const name = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcxyz_') });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.uint8Array({ maxLength: 200_000 })), async (contents) => {
        const given = new Map(Object.entries(contents).map(([path, content]) => [path, Buffer.from(content)]));
        const packed = await packBundle(given);
        expect(new Map([...(await readBundle(packed))].sort())).toEqual(new Map([...given].sort()));
        expect(await packBundle(given)).toEqual(packed);
      }),
      { numRuns: 25 },
    );
  });

  test('has one revision, however it was compressed, ordered, dated and rooted', async () => {
    const entries = [
      { name: '/policy.wasm', content: 'wasm' },
      { name: '/data.json', content: '{}' },
    ];
    const expected = revisionOf(files);
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
    for (const level of [0, 1, 9]) expect(revisionOf(await readBundle(gzipSync(await tarOf(entries), { level })))).toBe(expected);
    const other = [...entries].reverse().map(({ name, content }) => ({ name: `.${name}`, content, mtime: new Date(1e12) }));
    expect(revisionOf(await readBundle(gzipSync(await tarOf(other))))).toBe(expected);
  });

  test('has another revision when a byte moves between path and content', () => {
    const one = revisionOf(new Map([['ab', Buffer.from('c')]]));
    const two = revisionOf(new Map([['a', Buffer.from('bc')]]));
    expect(one).not.toBe(two);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'is not a gzip file'],
    ['a zip file', Buffer.from('PK\u0003\u0004'), 'is not a gzip file'],
    ['a gzip header alone', Buffer.from([0x1f, 0x8b]), "can't be unpacked"],
    ['a gzip file cut short', gzipSync('x'.repeat(10_000)).subarray(0, 20), "can't be unpacked"],
    ['a gzip file of text', gzipSync('x'.repeat(10_000)), 'is not a tar archive'],
  ])('that is %s is refused by name', async (_, bytes, why) => {
    await expect(readBundle(bytes)).rejects.toThrow(why);
  });

  test('that is cut in the middle of a file is refused', async () => {
    const whole = await tarOf([{ name: 'data.json', content: 'x'.repeat(5000) }]);
    await expect(readBundle(gzipSync(whole.subarray(0, 2000)))).rejects.toThrow('is not a tar archive');
  });

  test('that holds a path twice is refused: which of the two counts would be a guess', async () => {
    const twice = await tarOf([
      { name: '/data.json', content: '{}' },
      { name: 'data.json', content: '{"a":1}' },
    ]);
    await expect(readBundle(gzipSync(twice))).rejects.toThrow('holds data.json twice');
  });

  test('that holds a link is refused: what it points to is not in it', async () => {
    const tar = pack();
    tar.entry({ name: 'policy.wasm', type: 'symlink', linkname: '/etc/passwd' });
    tar.finalize();
    const parts: Buffer[] = [];
    for await (const part of tar) parts.push(part as Buffer);
    await expect(readBundle(gzipSync(Buffer.concat(parts)))).rejects.toThrow('holds policy.wasm, which is not a file but a symlink');
  });

  test('may hold any name without harm', async () => {
    const read = await readBundle(
      gzipSync(
        await tarOf([
          { name: '__proto__', content: 'x' },
          { name: '../../etc/passwd', content: 'y' },
        ]),
      ),
    );
    expect([...read.keys()]).toEqual(['__proto__', '../../etc/passwd']);
  });
});
