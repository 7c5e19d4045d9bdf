import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const EXAMPLES = join(ROOT, 'examples/clients');
const sources = readdirSync(EXAMPLES).map((name) => readFileSync(join(EXAMPLES, name), 'utf8'));

describe.each(['opa.md', 'in-code.md'])('docs/integrations/%s', (page) => {
  const text = readFileSync(join(ROOT, 'docs/integrations', page), 'utf8');

  it('shows code that stands in an example, whose types are checked', () => {
    const blocks = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
    expect(blocks.length).toBeGreaterThan(0);
    for (const code of blocks)
      expect(
        sources.some((source) => source.includes(code)),
        code,
      ).toBe(true);
  });

  it('links only to what is there', () => {
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
      expect(existsSync(join(ROOT, 'docs/integrations', target as string)), target).toBe(true);
  });
});
