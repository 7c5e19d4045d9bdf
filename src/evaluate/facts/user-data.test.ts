import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MAX_UNPACKED } from './unpack.js';
import { userDataOf } from './user-data.js';

const ID = `AKIA${'Q'.repeat(16)}`;
const PEM = ['-----BEGIN RSA', 'PRIVATE KEY-----'].join(' ');
const CONFIG = `#cloud-config\nruncmd:\n  - export AWS_ACCESS_KEY_ID=${ID}\n`;
const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');
const wrapped = (text: string): string => text.replaceAll(/(.{76})/g, '$1\n');
const AWS = { kind: 'AWS access key id', line: 3 };

/** What is found, with the promise that nothing of the secret is in it. */
const found = (userData: unknown) => {
  const { findings } = userDataOf(userData as string);
  expect(JSON.stringify(findings)).not.toMatch(/QQQQ|BEGIN/);
  return findings;
};

describe('User data', () => {
  it.each([
    ['plain', CONFIG],
    ['in base64', base64(CONFIG)],
    ['in wrapped base64', wrapped(base64(CONFIG.padEnd(400, '\n')))],
    ['in gzip and base64', base64(gzipSync(CONFIG))],
    ['in base64 twice', base64(base64(CONFIG))],
    ['in gzip as text', gzipSync(CONFIG).toString('latin1')],
  ])('%s has its access key found on its line', (_, text) => {
    expect(found(text)).toEqual([AWS]);
  });

  it.each([
    ['AWS secret access key', `aws_secret_access_key = ${'a/B+'.repeat(10)}`],
    ['AWS secret access key', `export AWS_SECRET_ACCESS_KEY="${'aB3/'.repeat(10)}"`],
    ['private key', PEM],
    ['private key', ['-----BEGIN OPENSSH', 'PRIVATE KEY-----'].join(' ')],
    ['private key', ['-----BEGIN PGP', 'PRIVATE KEY BLOCK-----'].join(' ')],
    ['private key', `{"private_key": "${PEM}\\nMII"}`],
    ['GitHub token', `GH=ghp_${'a'.repeat(36)}`],
    ['Slack token', `xoxb-${'1'.repeat(12)}`],
    ['Google API key', `AIza${'x'.repeat(35)}`],
    ['DigitalOcean token', `dop_v1_${'0'.repeat(64)}`],
    ['Azure storage account key', `AccountKey=${'k'.repeat(86)}==;`],
    ['signed token (JWT)', `eyJ${'a'.repeat(20)}.${'b'.repeat(20)}.${'c'.repeat(20)}`],
    ['access key', `secret_key: ${'z'.repeat(40)}`],
  ])('shows a %s', (kind, secret) => {
    expect(found(`#!/bin/sh\n\n${secret}\n`)).toEqual([{ kind, line: 3 }]);
  });

  it('of several parts is looked into part by part', () => {
    const mime = [
      'Content-Type: multipart/mixed; boundary="==x=="',
      'MIME-Version: 1.0',
      '',
      '--==x==',
      'Content-Type: text/cloud-config',
      '',
      '#cloud-config',
      `note: ${ID}`,
      '--==x==',
      'Content-Type: text/x-shellscript',
      'Content-Transfer-Encoding: base64',
      '',
      base64(gzipSync(`#!/bin/sh\n${PEM}\n`)),
      '--==x==--',
    ].join('\n');
    const expected = [
      { kind: 'AWS access key id', line: 8 },
      { kind: 'private key', line: 14 },
    ];
    expect(found(mime)).toEqual(expected);
    expect(found(base64(gzipSync(mime.replaceAll('\n', '\r\n'))))).toEqual(expected);
  });

  it('is looked into where a cloud-config carries a file encoded', () => {
    const file = base64(`${PEM}\n${'x'.repeat(600)}`);
    expect(found(`#cloud-config\nwrite_files:\n- encoding: b64\n  content: ${file}\n  path: /k\n`)).toEqual([{ kind: 'private key', line: 4 }]);
    const block = wrapped(base64(gzipSync(`${PEM}\n${'x'.repeat(60)}`))).replaceAll('\n', '\n    ');
    expect(found(`#cloud-config\nwrite_files:\n- encoding: gz+b64\n  content: !!binary |\n    ${block}\n`)).toEqual([{ kind: 'private key', line: 5 }]);
    expect(found({ write_files: [{ content: PEM }] })).toMatchObject([{ kind: 'private key' }]);
  });

  it('without secrets has no findings', () => {
    const key = `ssh-ed25519 ${base64(Buffer.alloc(51, 3))} ada@example.com`;
    const plain = `#cloud-config\nssh_authorized_keys:\n  - ${key}\npackages: [nginx]\nchecksum: ${'0123456789abcdef'.repeat(4)}\n`;
    for (const text of [plain, base64(plain), base64(gzipSync(plain)), '', '#!/bin/sh\necho "access key"\n']) expect(found(text)).toEqual([]);
  });

  it('that can not be looked into is a finding', () => {
    const bomb = gzipSync(Buffer.alloc(200 * MAX_UNPACKED));
    const started = performance.now();
    for (const text of [base64(bomb), base64(gzipSync(bomb)), base64(Buffer.from([0x1f, 0x8b, ...Buffer.alloc(60)])), 'x'.repeat(MAX_UNPACKED + 1)])
      expect(found(text)).toEqual([{ kind: expect.stringContaining('can not be checked'), line: 1 }]);
    expect(performance.now() - started).toBeLessThan(2_000);
    let nested: string | Buffer = CONFIG;
    for (let depth = 0; depth < 8; depth++) nested = gzipSync(nested);
    expect(found(base64(nested))).toMatchObject([{ kind: expect.stringContaining('can not be checked') }]);
  });

  it('made to be slow is not', () => {
    const started = performance.now();
    for (const text of [
      'eyJ'.repeat(100_000),
      `-----BEGIN ${' A'.repeat(200_000)}`,
      'aws_secret'.repeat(50_000),
      'A'.repeat(500_000),
      'A'.repeat(20).concat('\n').repeat(20_000),
    ])
      found(text);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});
