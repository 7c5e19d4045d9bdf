import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderConfiguration } from '../scripts/docs.mjs';
import { findSecrets } from '../scripts/secrets.mjs';
import { createProgram } from '../src/cli/index.js';
import { settings } from '../src/cli/settings.js';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the documentation', () => {
  it('has every setting as the schema has it (`npm run docs` writes it)', () => {
    expect(read('docs/configuration.md')).toBe(renderConfiguration(settings()));
  });

  it('says of every setting what it does', () => {
    expect(
      settings()
        .filter(({ description }) => description === '')
        .map(({ path }) => path.join('.')),
    ).toEqual([]);
  });

  it('names every command', () => {
    const text = read('docs/cli.md');
    for (const command of createProgram().commands) {
      expect(text).toContain(`\`${command.name()}`);
      for (const child of command.commands) expect(text, `${command.name()} ${child.name()}`).toMatch(new RegExp(`${command.name()}[^\\n]*${child.name()}`));
    }
  });

  it('links only to files that are there', () => {
    const pages = [
      'README.md',
      ...readdirSync(join(ROOT, 'docs'))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `docs/${name}`),
    ];
    for (const page of pages)
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
        expect(existsSync(join(ROOT, page, '..', target as string)), `${page}: ${target}`).toBe(true);
  });

  it('names only files of the source that are there', () => {
    for (const [, file] of read('docs/architecture.md').matchAll(/`((?:src|scripts|policies|fixtures|test)\/[\w./-]+\.\w+)`/g))
      expect(existsSync(join(ROOT, file as string)), file).toBe(true);
  });
});

describe('the sample platform', () => {
  it('is what its generator gives, byte for byte', () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-fixtures-'));
    try {
      execFileSync(process.execPath, [join(ROOT, 'scripts/fixtures.mjs'), folder]);
      for (const name of ['entities.ndjson', 'traffic.ndjson'])
        expect(readFileSync(join(folder, name), 'utf8') === read(`fixtures/platform/${name}`), name).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the scan for secrets', () => {
  // Put together here, so that this file has none of them.
  const random = 'q7Zk2Vx9Lm4Rt8Wy3Bn6';
  const secrets: readonly (readonly [kind: string, text: string])[] = [
    ['private key', `-----BEGIN ${'EC PRIVATE'} KEY-----\n${'MHcCAQEEIKb9Zk2Vx9Lm4Rt8Wy3Bn6q7Zk2Vx9Lm4Rt8W'}\n`],
    ['AWS access key', `AKIA${'Q7ZK2VX9LM4RT8WY'}`],
    ['Verdict API key', `vk_${random}${random}`],
    ['JSON Web Token', `eyJ${'hbGciOiJFUzI1NiJ9'}.eyJ${'zdWIiOiJ1c3ItMSJ9'}.${random}${random}`],
    ['password in an address', `https://verdict:${random}@clickhouse:8443`],
    ['password or key that is written out', `password: '${random}'`],
  ];
  it.each(secrets)('finds a %s, and its line', (kind, text) => {
    expect(findSecrets(`first line\n${text}\n`)).toContainEqual({ kind, line: 2 });
  });

  it('leaves words alone', () => {
    expect(findSecrets("password: 'correct horse battery'\nconst secret = 'the-secret-of-this-test'\nvk_example\nhttp://user:pass@host\n")).toEqual([]);
  });
});
