import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderFormats, renderSettings, withSettings } from '../scripts/docs-formats.mjs';
import { DESTINATIONS } from '../src/destinations.js';
import { EVENT_FORMATS, FIELD_NAMES, SENDERS } from '../src/export/index.js';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the documentation of the ways out', () => {
  it('has every field in every format as the code has it (`npm run docs` writes it)', () => {
    expect(read('docs/formats.md')).toBe(renderFormats(EVENT_FORMATS, FIELD_NAMES));
  });

  it.each(SENDERS)('has a page on $type with every setting as the schema has it (`npm run docs` writes them), and every format', (destination) => {
    const page = read(`docs/integrations/${destination.type}.md`);
    expect(page).toBe(withSettings(page, destination));
    expect(page).toContain(renderSettings(destination));
    for (const format of destination.formats) expect(page, format).toContain(`\`${format}\``);
  });

  it('lists every destination with its formats, the usual one first', () => {
    const page = read('docs/forwarders.md');
    for (const [type, { formats }] of DESTINATIONS) {
      const [row = ''] = page.split('\n').filter((line) => line.startsWith(`| \`${type}\` |`));
      expect(row, type).toContain(`| ${formats.map((format) => `\`${format}\``).join(', ')} |`);
    }
  });

  it('links only to pages that are there', () => {
    for (const page of readdirSync(join(ROOT, 'docs/integrations')))
      for (const [, target] of read(`docs/integrations/${page}`).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
        expect(existsSync(join(ROOT, 'docs/integrations', target as string)), `${page}: ${target}`).toBe(true);
  });
});
