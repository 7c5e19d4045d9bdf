import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTarget } from './target.js';

const codeOf = (target: string): string => {
  const read = readTarget(target);
  return read.ok ? 'ok' : read.code;
};

describe('a target', () => {
  it('is taken apart into decoded segments and its query', () => {
    expect(readTarget('/v1/instances/web%201/%C3%BC?page=2&q=a%2Fb')).toMatchObject({
      ok: true,
      segments: ['v1', 'instances', 'web 1', 'ü'],
      path: '/v1/instances/web 1/ü',
    });
    const read = readTarget('/a?x=1&x=2');
    expect(read.ok && read.query.getAll('x')).toEqual(['1', '2']);
  });

  it('may be absolute, as a proxy gets it', () => {
    expect(readTarget('http://api.example/v1')).toMatchObject({ ok: true, path: '/v1' });
    expect(readTarget('http://api.example')).toMatchObject({ ok: true, path: '/' });
  });

  it.each([
    ['/v1/..%2fadmin', 'path.encoded_slash'],
    ['/v1/a%5cb', 'path.encoded_slash'],
    ['/v1/a\\b', 'path.invalid'],
    ['/v1/../admin', 'path.dot_segment'],
    ['/v1/%2e%2E/admin', 'path.dot_segment'],
    ['/v1/./a', 'path.dot_segment'],
    ['/v1/..;x=1/a', 'path.parameter'],
    ['/v1/a;x=1', 'path.parameter'],
    ['/v1/.%2e', 'path.dot_segment'],
    ['//v1', 'path.empty_segment'],
    ['/v1//a', 'path.empty_segment'],
    ['/v1/%252e%252e', 'path.double_escape'],
    ['/v1/%00', 'path.control'],
    ['/v1/%0d%0aX: y', 'path.invalid'],
    ['/v1/%0d', 'path.control'],
    ['/v1/%zz', 'path.escape'],
    ['/v1/%', 'path.escape'],
    ['/v1/%c3', 'path.escape'],
    ['/v1/a#b', 'path.fragment'],
    ['*', 'path.invalid'],
    ['', 'ok'],
    ['v1', 'path.invalid'],
    [`/${'a'.repeat(9_000)}`, 'path.too_long'],
  ])('%s: %s', (target, code) => {
    expect(codeOf(target)).toBe(code);
  });

  it('never gives a segment that another reader could take for several, or for a way up', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('/', '.', '%2e', '%2F', '%5C', '\\', 'a', '%25', '2', 'e', ';', '%00', '?', '#', ' '), { maxLength: 24 }),
        (pieces) => {
          const read = readTarget(`/${pieces.join('')}`);
          if (!read.ok) return;
          for (const segment of read.segments) expect(/[/\\]|^\.{1,2}$/.test(segment)).toBe(false);
          expect(read.segments.slice(0, -1)).not.toContain('');
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
