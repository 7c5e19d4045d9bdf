import { describe, expect, test } from 'vitest';
import { loadConfig } from './config.js';

const policy = (env: Record<string, string>) => loadConfig({ VERDICT_CONFIG: '', ...env }).config.policy;
const KEYS = JSON.stringify({ release: { algorithm: 'EdDSA', key: '/etc/verdict/policy.pem' } });

describe('where the policy comes from', () => {
  test.each(['', '/etc/verdict/bundle.tar.gz', 'https://bundles.example/verdict.tar.gz', 'http://127.0.0.1:8181/b', 'http://localhost/b', 'http://[::1]:80/b'])(
    'may be "%s"',
    (bundle) => {
      expect(policy({ VERDICT_POLICY_BUNDLE: bundle }).bundle).toBe(bundle);
    },
  );

  test.each([
    [{ VERDICT_POLICY_BUNDLE: 'http://bundles.example/b' }, 'set policy.allow_http to true'],
    [{ VERDICT_POLICY_BUNDLE: 'ftp://bundles.example/b' }, 'must be a file or an http(s) URL'],
    [{ VERDICT_POLICY_BUNDLE: 'https://' }, 'must be a file or an http(s) URL'],
    [{ VERDICT_POLICY_BUNDLE: 'https://user@bundles.example/b' }, 'has a name or password in its URL'],
    [{ VERDICT_POLICY_POLL_SECONDS: '60' }, 'policy.poll_max_seconds is less than policy.poll_seconds'],
    [{ VERDICT_POLICY_REQUIRE_SIGNATURE: 'true' }, 'policy.verification_keys pins no key'],
    [{ VERDICT_POLICY_TLS_CERT: 'cert.pem' }, 'policy.tls needs both cert and key'],
    [{ VERDICT_POLICY_VERIFICATION_KEYS: '{"release": {"algorithm": "HS256", "key": "x"}}' }, 'algorithm'],
    [{ VERDICT_POLICY_VERIFICATION_KEYS: 'nonsense' }, 'verification_keys'],
  ])('%j is refused, by name', (env, why) => {
    expect(() => policy(env)).toThrow(why);
  });

  test('may be plain http on another machine where that is said', () => {
    expect(policy({ VERDICT_POLICY_BUNDLE: 'http://bundles.example/b', VERDICT_POLICY_ALLOW_HTTP: 'true' }).allow_http).toBe(true);
  });

  test('may have keys pinned in a variable', () => {
    expect(policy({ VERDICT_POLICY_VERIFICATION_KEYS: KEYS }).verification_keys).toEqual({
      release: { algorithm: 'EdDSA', key: '/etc/verdict/policy.pem', scope: '' },
    });
  });
});
