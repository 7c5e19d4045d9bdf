import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderConfiguration } from '../scripts/docs.mjs';
import { findSecrets } from '../scripts/secrets.mjs';
import { newSecret } from '../src/caller/secret.js';
import { createProgram } from '../src/cli/index.js';
import { listedSettings, settings } from '../src/cli/settings.js';
import { loadConfig } from '../src/config.js';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the documentation', () => {
  it('has every setting as the schema has it (`npm run docs` writes it)', () => {
    expect(read('docs/configuration.md')).toBe(renderConfiguration(settings(), listedSettings()));
  });

  it('says of every setting what it does', () => {
    expect(
      settings()
        .filter(({ description }) => description === '')
        .map(({ path }) => path.join('.')),
    ).toEqual([]);
  });

  it('gives an example that a node could start with', () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-example-'));
    try {
      const [, example] = /```yaml\n([\s\S]*?)```/.exec(read('docs/configuration.md')) ?? [];
      writeFileSync(join(folder, 'verdict.yaml'), example ?? '');
      const { config, warnings } = loadConfig({}, join(folder, 'verdict.yaml'));
      expect(warnings).toEqual([]);
      expect(config.auth.issuers).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('names every command', () => {
    const text = read('docs/cli.md');
    for (const command of createProgram().commands) {
      expect(text).toContain(`\`${command.name()}`);
      for (const child of command.commands) expect(text, `${command.name()} ${child.name()}`).toMatch(new RegExp(`${command.name()}[^\\n]*${child.name()}`));
    }
  });

  const pages = [
    'README.md',
    ...['docs', 'examples'].flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`)),
  ]
    .filter((name) => name.endsWith('.md'))
    .map((page) => [page] as const);

  it.each(pages)('%s links only to files that are there', (page) => {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
      expect(existsSync(join(ROOT, page, '..', target as string)), target).toBe(true);
  });

  it.each(pages)('%s shows only commands and options that there are', (page) => {
    const shown = [...read(page).matchAll(/^(?:\$ )?(?:[A-Z_]+=\S+ +)*(?:npx |node bin\/)?verdict(?:\.js)? +(.*)$/gm)].map(([, words]) =>
      (words as string).split(/\s+/),
    );
    for (const words of shown) {
      let command: Command = createProgram();
      for (let child: Command | undefined; ; command = child) {
        child = command.commands.find((one) => one.name() === words[0]);
        if (!child) break;
        words.shift();
      }
      const known = command.options.flatMap(({ long, short }) => [long, short]);
      for (const option of words.filter((word) => word.startsWith('-'))) expect(known, `${command.name()} ${words.join(' ')}`).toContain(option);
    }
  });

  it('names only files of the source that are there', () => {
    for (const [, file] of read('docs/architecture.md').matchAll(/`((?:src|scripts|policies|fixtures|test)\/[\w./-]+\.\w+)`/g))
      expect(existsSync(join(ROOT, file as string)), file).toBe(true);
  });
});

describe('compose.yaml', () => {
  const { services } = parse(read('compose.yaml')) as { services: Readonly<Record<string, { environment: Readonly<Record<string, string>> }>> };

  it('sets only what is a setting', () => {
    const known = settings().map(({ variable }) => variable);
    for (const name of Object.keys(services['verdict']?.environment ?? {})) expect(known).toContain(name);
  });

  it('has no secret of its own: each comes from outside, and must', () => {
    const secrets = Object.values(services).flatMap(({ environment }) => Object.entries(environment).filter(([name]) => /PASSWORD|TOKEN|SECRET/.test(name)));
    expect(secrets.length).toBeGreaterThan(2);
    for (const [name, value] of secrets) expect(value, name).toMatch(/^\$\{\w+:\?[^}]+\}$/);
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
    ['Verdict credential', newSecret('va_')],
    ['Verdict credential', newSecret('vk_01JDA4Q0V4M9GQ2Z9X1T7K3B5N_')],
    ['JSON Web Token', `eyJ${'hbGciOiJFUzI1NiJ9'}.eyJ${'zdWIiOiJ1c3ItMSJ9'}.${random}${random}`],
    ['password in an address', `https://verdict:${random}@clickhouse:8443`],
    ['password or key that is written out', `password: '${random}'`],
  ];
  it.each(secrets)('finds a %s, and its line', (kind, text) => {
    expect(findSecrets(`first line\n${text}\n`)).toContainEqual({ kind, line: 2 });
  });

  it('leaves words alone', () => {
    expect(findSecrets("password: 'correct horse battery'\nconst secret = 'the-secret-of-this-test'\nvk_example va_example\nhttp://user:pass@host\n")).toEqual(
      [],
    );
  });
});
