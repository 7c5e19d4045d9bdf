import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../config.js';
import { KafkaConfigError, saslOf, tlsOf } from './security.js';

const folder = mkdtempSync(join(tmpdir(), 'verdict-kafka-security-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string): string => {
  const path = join(folder, name);
  writeFileSync(path, name);
  return path;
};

const tls = (changes: Partial<KafkaConfig['tls']>) => tlsOf({ enabled: true, ca: '', cert: '', key: '', ...changes });
const sasl = (changes: Partial<KafkaConfig['sasl']>) =>
  saslOf({ mechanism: '', username: '', password: '', token_url: '', client_id: '', client_secret: '', scope: '', ...changes });

describe('TLS to the brokers', () => {
  test('is off where it is not enabled', () => {
    expect(tls({ enabled: false })).toBeUndefined();
  });

  test('always checks the broker, against the authorities given or those of the system', () => {
    expect(tls({})).toMatchObject({ rejectUnauthorized: true });
    expect(tls({})).not.toHaveProperty('ca');
    expect(tls({ ca: file('ca') })).toMatchObject({ rejectUnauthorized: true, ca: [Buffer.from('ca')] });
  });

  test('shows a certificate where there is one', () => {
    expect(tls({ cert: file('cert'), key: file('key') })).toMatchObject({ cert: Buffer.from('cert'), key: Buffer.from('key') });
  });

  test.each([
    [{ ca: join(folder, 'missing.pem') }, /kafka\.tls\.ca names .*missing\.pem, which can't be read \(ENOENT\)/],
    [{ cert: 'cert.pem' }, /kafka\.tls\.cert and kafka\.tls\.key belong together/],
    [{ enabled: false, ca: 'ca.pem' }, /kafka\.tls\.enabled is false/],
  ])('refuses %j with a sentence', (changes, sentence) => {
    expect(() => tls(changes)).toThrow(KafkaConfigError);
    expect(() => tls(changes)).toThrow(sentence);
  });
});

describe('SASL to the brokers', () => {
  test('is off where no mechanism is chosen', () => {
    expect(sasl({})).toBeUndefined();
  });

  test('takes a name and a password', () => {
    expect(sasl({ mechanism: 'scram-sha-512', username: 'verdict', password: 'p' })).toEqual({
      mechanism: 'scram-sha-512',
      username: 'verdict',
      password: 'p',
    });
  });

  test.each([
    [{ mechanism: 'plain' as const, username: 'verdict' }, /needs kafka\.sasl\.password; it is empty/],
    [{ mechanism: 'oauthbearer' as const, client_id: 'a', client_secret: 'b' }, /needs kafka\.sasl\.token_url/],
    [{ mechanism: 'oauthbearer' as const, client_id: 'a', client_secret: 'b', token_url: 'http://idp.example/token' }, /must be an https URL/],
    [{ mechanism: 'oauthbearer' as const, client_id: 'a', client_secret: 'b', token_url: 'nonsense' }, /must be an https URL/],
  ])('refuses %j with a sentence', (changes, sentence) => {
    expect(() => sasl(changes)).toThrow(sentence);
  });
});
