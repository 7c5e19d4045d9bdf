import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { renderSyslog } from '../../../scripts/docs.mjs';
import { syslogSchema } from './config.js';
import { FIELDS } from './fields.js';
import { SEVERITIES } from './layout.js';

const page = readFileSync(new URL('../../../docs/syslog.md', import.meta.url), 'utf8');

it('docs/syslog.md has every parameter and every setting as the code has them (`npm run docs` writes them)', () => {
  for (const { name } of FIELDS) expect(page).toContain(`| \`${name}\` |`);
  expect(page).toContain('| `tls.key` |');
  expect(page).toBe(renderSyslog(page, FIELDS, syslogSchema));
});

it('docs/syslog.md has the severity of each result', () => {
  const row = page.split('\n').find((line) => line.startsWith('| PRI |')) ?? '';
  for (const [result, severity] of Object.entries(SEVERITIES)) expect(row).toMatch(new RegExp(`${severity} \\([a-z]+\\) for [^,]*\`${result}\``));
});
