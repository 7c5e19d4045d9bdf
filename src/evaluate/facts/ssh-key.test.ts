import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sshKeyOf } from './ssh-key.js';

/** Keys that ssh-keygen made. */
const made = (name: string): string => readFileSync(fileURLToPath(new URL(`../../../test/fixtures/ssh-keys/${name}.pub`, import.meta.url)), 'utf8');

const field = (bytes: Buffer | string): Buffer => {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};
/** A line as it is written from its fields (RFC 4251, section 5). */
const line = (type: string, ...fields: readonly (Buffer | string)[]): string =>
  `${type} ${Buffer.concat([type, ...fields].map(field)).toString('base64')} someone@example.com`;

const number = (bits: number): Buffer => {
  const digits = Buffer.alloc(Math.ceil(bits / 8), 0xff);
  digits[0] = 0xff >> ((8 - (bits % 8)) % 8);
  return bits % 8 === 0 ? Buffer.concat([Buffer.from([0]), digits]) : digits;
};
const point = (length: number): Buffer => Buffer.concat([Buffer.from([4]), Buffer.alloc(2 * length, 7)]);
const three = Buffer.from([3]);

describe('An SSH public key', () => {
  it.each([
    ['rsa-1024', 'ssh-rsa', 'rsa', 1024],
    ['rsa-2048', 'ssh-rsa', 'rsa', 2048],
    ['rsa-3072', 'ssh-rsa', 'rsa', 3072],
    ['ecdsa-256', 'ecdsa-sha2-nistp256', 'ecdsa', 256],
    ['ecdsa-384', 'ecdsa-sha2-nistp384', 'ecdsa', 384],
    ['ecdsa-521', 'ecdsa-sha2-nistp521', 'ecdsa', 521],
    ['ed25519-256', 'ssh-ed25519', 'ed25519', 256],
    ['dsa-1024', 'ssh-dss', 'dsa', 1024],
  ] as const)('made as %s is %s, %s, of %i bits', (name, type, kind, bits) => {
    expect(sshKeyOf(made(name))).toEqual({ valid: true, type, kind, bits });
  });

  it.each([
    [line('ssh-rsa', three, number(2047)), 'rsa', 2047],
    [line('ssh-rsa', three, number(2048)), 'rsa', 2048],
    [line('ssh-dss', number(1024), number(160), number(1023), number(1020)), 'dsa', 1024],
    [line('ecdsa-sha2-1.3.132.0.33', '1.3.132.0.33', point(28)), 'ecdsa', 224],
    [line('ssh-ed448', Buffer.alloc(57)), 'ed448', 448],
    [line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'ssh:'), 'sk-ed25519', 256],
    [line('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(32), 'ssh:'), 'sk-ecdsa', 256],
  ])('by its wire format %# is of its kind and size', (text, kind, bits) => {
    expect(sshKeyOf(text)).toMatchObject({ valid: true, kind, bits });
  });

  const rsa = line('ssh-rsa', three, number(2048));
  it.each([
    ['another type inside', rsa.replace('ssh-rsa', 'ssh-dss')],
    ['another curve inside', line('ecdsa-sha2-nistp384', 'nistp256', point(32))],
    ['a curve of nobody', line('ecdsa-sha2-p1', 'p1', point(32))],
    ['a curve named like an object’s own', line('ecdsa-sha2-constructor', 'constructor', point(32))],
    ['a point cut off', line('ecdsa-sha2-nistp256', 'nistp256', point(31))],
    ['a key cut off', `${rsa.slice(0, 100)}`],
    ['more at its end', line('ssh-rsa', three, number(2048), 'more')],
    ['a negative modulus', line('ssh-rsa', three, Buffer.alloc(256, 0xff))],
    ['a modulus padded with zeros', line('ssh-rsa', three, Buffer.concat([Buffer.alloc(200), number(1024)]))],
    ['no modulus', line('ssh-rsa', three, Buffer.alloc(0))],
    ['an even modulus', line('ssh-rsa', three, Buffer.from([0x7f, 0xfe]))],
    ['an exponent of 1', line('ssh-rsa', Buffer.from([1]), number(2048))],
    ['an Ed25519 key too short', line('ssh-ed25519', Buffer.alloc(31))],
    ['no application on a security key', line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32))],
    ['a certificate', line('ssh-rsa-cert-v01@openssh.com', Buffer.alloc(32))],
    ['an unknown type', line('ssh-quantum', Buffer.alloc(32))],
    ['no base64', 'ssh-rsa !!!!'],
    ['options before it', `command="id" ${rsa}`],
    ['two lines', `${rsa}\n${rsa}`],
    ['nothing', ''],
    ['too much', `ssh-rsa ${'A'.repeat(20_000)}`],
    ['no text', 7],
  ])('with %s is refused, and not shown', (_, text) => {
    const key = sshKeyOf(text);
    expect(key).toEqual({ valid: false, message: expect.stringMatching(/^(Its?|After) .+\.$/) });
    expect(JSON.stringify(key)).not.toContain('AAAA');
  });

  it('that is a private one is refused with advice', () => {
    expect(sshKeyOf(['-----BEGIN OPENSSH', 'PRIVATE KEY-----\nabc'].join(' '))).toMatchObject({ valid: false, message: expect.stringContaining('private') });
  });
});
