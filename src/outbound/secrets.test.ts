import { describe, expect, it } from 'vitest';
import { ConfigError } from '../config.js';
import { isSealed, openSecrets, SecretError } from './secrets.js';

const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof SecretError ? error.code : String(error);
  }
  return 'none';
};

describe('secrets at rest', () => {
  const secrets = openSecrets({ key: key(1), old_keys: [] });

  it('open for their owner, and nothing of them shows', () => {
    const sealed = secrets.seal('hunter2', 'verdict.forwarder/1/token');
    expect(sealed).not.toContain('hunter2');
    expect(isSealed(sealed)).toBe(true);
    expect(secrets.open(sealed, 'verdict.forwarder/1/token')).toBe('hunter2');
    expect(secrets.seal('hunter2', 'verdict.forwarder/1/token')).not.toBe(sealed);
  });

  it('do not open for another owner, nor changed, nor cut', () => {
    const sealed = secrets.seal('hunter2', 'verdict.forwarder/1/token');
    const flipped = sealed.slice(0, -2) + (sealed.endsWith('A') ? 'B' : 'A') + sealed.slice(-1);
    for (const [text, owner] of [
      [sealed, 'verdict.forwarder/2/token'],
      [flipped, 'verdict.forwarder/1/token'],
      [sealed.slice(0, 30), 'verdict.forwarder/1/token'],
      ['sealed:v1:', 'verdict.forwarder/1/token'],
    ] as const)
      expect(codeOf(() => secrets.open(text, owner))).toBe('secrets.damaged');
  });

  it('open with an old key after a rotation, and are told apart from those of the present one', () => {
    const before = secrets.seal('hunter2', 'o');
    const rotated = openSecrets({ key: key(2), old_keys: [key(1)] });
    expect(rotated.open(before, 'o')).toBe('hunter2');
    expect(rotated.isOld(before)).toBe(true);
    expect(rotated.isOld(rotated.seal('hunter2', 'o'))).toBe(false);
    expect(codeOf(() => openSecrets({ key: key(2), old_keys: [] }).open(before, 'o'))).toBe('secrets.unknown_key');
  });

  it('are not kept without a key', () => {
    const none = openSecrets({ key: '', old_keys: [] });
    expect(none.canSeal).toBe(false);
    expect(codeOf(() => none.seal('hunter2', 'o'))).toBe('secrets.no_key');
  });

  it('take a key of 32 bytes as base64 or hex, and no other', () => {
    expect(openSecrets({ key: Buffer.alloc(32, 1).toString('hex'), old_keys: [] }).open(secrets.seal('x', 'o'), 'o')).toBe('x');
    for (const text of ['short', 'a passphrase of many words, which is no key', Buffer.alloc(16).toString('base64')]) {
      expect(() => openSecrets({ key: text, old_keys: [] })).toThrow(ConfigError);
      expect(() => openSecrets({ key: '', old_keys: [text] })).toThrow('secrets.old_keys[0]');
    }
  });
});
