import { describe, expect, it } from 'vitest';
import { pathWithoutSecrets, textWithoutSecrets, withoutSecrets } from './secrets.js';

const SEAL = { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) };
const pem = ['-----BEGIN OPENSSH', 'PRIVATE KEY-----\nabc'].join(' ');

describe('secrets', () => {
  it.each([
    'password',
    'Secret',
    'client_secret',
    'access_token',
    'secret_access_key',
    'userData',
    'user-data',
    'private_key',
    'api_keys',
    'bearer',
    'Set-Cookie',
    'tokens_v2',
    'db_pwd',
    'user_data_base64',
    'password_hash_plain',
  ])('under the name %s are replaced by their hash', (name) => {
    expect(withoutSecrets({ outer: [{ [name]: 'hunter2' }] })).toEqual({ outer: [{ [name]: SEAL }] });
  });

  it('are told by what they look like, whatever their name', () => {
    const jwt = `eyJ${'a'.repeat(20)}.${'b'.repeat(20)}.${'c'.repeat(20)}`;
    for (const note of [pem, jwt, `AKIA${'A'.repeat(16)}`, `vk_${'0'.repeat(26)}_${'x'.repeat(20)}`]) expect(withoutSecrets({ note })).toEqual({ note: SEAL });
  });

  it('are told where a text carries them', () => {
    for (const note of [
      `Authorization: Basic ${'a'.repeat(16)}==`,
      'postgres://app:hunter2@db.example.com/verdict',
      ['-----BEGIN PGP', 'PRIVATE KEY BLOCK-----'].join(' '),
    ])
      expect(withoutSecrets({ note })).toEqual({ note: SEAL });
    expect(withoutSecrets({ note: 'Basic training for https://example.com:8443/' })).toEqual({ note: 'Basic training for https://example.com:8443/' });
  });

  it('are numbers too under the name of a password, and no seal of somebody else’s making', () => {
    expect(withoutSecrets({ password: 123456, tokens: 3 })).toEqual({ password: SEAL, tokens: 3 });
    expect(withoutSecrets({ password: { sha256: 'plain-hunter2' } })).toEqual({ password: SEAL });
  });

  it('are struck out of ids, names and field names', () => {
    const key = `vk_${'0'.repeat(26)}_${'x'.repeat(20)}`;
    expect(textWithoutSecrets(`usr-${key}`)).not.toContain(key.slice(0, 20));
    expect(Object.keys(withoutSecrets({ [key]: 1 }) as object)[0]).not.toContain(key.slice(0, 20));
    expect(textWithoutSecrets('inst-01M82ZSK77J8XEDFFK2QPW5Z6W')).toBe('inst-01M82ZSK77J8XEDFFK2QPW5Z6W');
    expect(pathWithoutSecrets('/callback#access_token=hunter2')).toBe('/callback#access_token=…');
  });

  it('leave everything else as it is', () => {
    const plain = {
      name: 'web-1',
      tokens: 3,
      token_count: 5,
      keyboard: 'us',
      monkey: 'x',
      has_password: true,
      password: '',
      secret: null,
      nested: { plan: ['s-1'] },
    };
    expect(withoutSecrets(plain)).toEqual(plain);
    const once = withoutSecrets({ password: 'x' });
    expect(withoutSecrets(once)).toEqual(once);
  });

  it("keep a name's own property even where it is __proto__", () => {
    const odd = JSON.parse('{"__proto__":{"password":"x"}}');
    expect(Object.keys(withoutSecrets(odd) as object)).toEqual(['__proto__']);
  });

  it('are taken out of a path', () => {
    expect(pathWithoutSecrets('/v1/x?token=abc&limit=5&X-Amz-Signature=ff#top')).toBe('/v1/x?token=…&limit=5&X-Amz-Signature=…#top');
    expect(pathWithoutSecrets('/v1/audit-logs?user=a')).toBe('/v1/audit-logs?user=a');
  });
});
