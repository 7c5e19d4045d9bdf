import { describe, expect, it } from 'vitest';
import { RETENTION_DAYS } from '../evaluate/shapes.js';
import type { JsonObject } from '../event/index.js';
import { MAX_DAYS } from '../store/retention.js';
import { shapeFault } from './entity-shape.js';

const there = (type: string, id: string): boolean => `${type}/${id}` === 'iam_policy/acc-1:ops';
const faultOf = (type: string, properties: object, id = 'acc-1:x') => shapeFault({ type, id, account: 'acc-1', properties: properties as JsonObject }, there);

const statement = { effect: 'allow', actions: ['instance.*'], resources: ['*'] };
const document = (change: object = {}, more: object = {}) => ({ document: { version: '2026-11-01', statements: [{ ...statement, ...change }], ...more } });
const acl = { grantee: 'user/usr-2', target: { module: 'servers' }, access: 'read-only' };

describe('What the policy reads of an entity', () => {
  it.each<[string, object]>([
    ['account', {}],
    [
      'account',
      { access_models: ['roles', 'acl', 'iam'], require_2fa: { since: '2026-11-01T00:00:00Z' }, ip_allowlist: ['10.0.0.0/8', '::1', '2001:db8::/32'] },
    ],
    ['account', { guardrails: { 'firewall.ssh': 'warn', duties: 'off' }, regions: ['lagos-1'], tier: 'standard', own: { word: 1 } }],
    ['account', { tier: 'enterprise', retention_days: RETENTION_DAYS.least }],
    ['account', { retention_days: RETENTION_DAYS.most }],
    ['user', { email: 'a@example.com', two_factor: { methods: ['totp', 'sms'] } }],
    ['membership', { role: 'auditor', ends: '2027-01-01T00:00:00+01:00' }],
    ['membership', { role: 'night_watch', groups: ['ops'], policies: ['ReadOnlyAccess', 'CloudNxStorageFullAccess', 'ops'] }],
    ['token', { owner: 'usr-1', scope: 'read', services: ['compute'], created: '2026-11-01T00:00:00.123Z', revoked: false, hash: 'a'.repeat(64) }],
    ['acl', acl],
    ['acl', { ...acl, target: { module: '*', except: ['billing'] }, verbs: ['start', 'stop'], ends: '2027-01-01T00:00:00Z', note: 'x' }],
    ['acl', { ...acl, target: { resource: 'instance/inst-1' } }],
    ['acl', { ...acl, target: { tag: 'team-blue' } }],
    ['iam_policy', document()],
    [
      'iam_policy',
      document({ sid: 'A', conditions: { ip: ['10.0.0.0/8'], not_ip: ['10.1.0.1'], after: '2026-01-01T00:00:00Z', mfa: true, tags: ['a'], regions: ['b'] } }),
    ],
    ['instance', { role: 1, document: [] }],
  ])('of type %s may be %j', (type, properties) => {
    expect(faultOf(type, properties)).toBeUndefined();
  });

  it.each<[string, object, string, string]>([
    ['account', { access_models: ['role'] }, '/access_models/0', 'Did you mean "roles"?'],
    ['account', { access_models: [] }, '/access_models', 'fewer than 1'],
    ['account', { require_2fa: true }, '/require_2fa', 'must be object'],
    ['account', { require_2fa: { from: '2026-11-01T00:00:00Z' } }, '/require_2fa/since', 'is missing'],
    ['account', { require_2fa: { since: 'yesterday' } }, '/require_2fa/since', 'RFC 3339'],
    ['account', { ip_allowlist: ['10.0.0.0/8', '10.0.0.0/40'] }, '/ip_allowlist/1', 'CIDR'],
    ['account', { guardrails: { 'firewall.shh': 'warn' } }, '/guardrails/firewall.shh', 'Did you mean "firewall.ssh"?'],
    ['account', { guardrails: { 'firewall.ssh': 'warm' } }, '/guardrails/firewall.ssh', 'Did you mean "warn"?'],
    ['account', { tier: 'gold' }, '/tier', 'must be one of "standard", "enterprise".'],
    ['account', { tier: 'Enterprise' }, '/tier', 'Did you mean "enterprise"?'],
    ['account', { retention_days: 0 }, '/retention_days', 'must be an integer from 1 to 730.'],
    ['account', { retention_days: 731 }, '/retention_days', 'must be an integer from 1 to 730.'],
    ['account', { retention_days: 1.5 }, '/retention_days', 'must be an integer from 1 to 730.'],
    ['account', { retention_days: '30' }, '/retention_days', 'must be an integer from 1 to 730.'],
    ['user', { two_factor: { methods: ['otp'] } }, '/two_factor/methods/0', 'Did you mean "totp"?'],
    ['membership', { role: 'Owner' }, '/role', 'Did you mean "owner"?'],
    ['membership', { role: 'devloper' }, '/role', 'Did you mean "developer"?'],
    ['membership', { role: 7 }, '/role', 'must be string'],
    ['membership', { role: 'auditor' }, '/ends', 'is missing'],
    ['membership', { joined: '2026-02-30T00:00:00Z' }, '/joined', 'RFC 3339'],
    ['membership', { policies: ['ReadOnlyAccess', 'opz'] }, '/policies/1', 'there is no iam_policy/acc-1:opz'],
    ['token', { hash: 'the token itself' }, '/hash', 'SHA-256'],
    ['token', { scope: 'reed' }, '/scope', 'Did you mean "read"?'],
    ['token', { expires: null }, '/expires', 'must be string'],
    ['token', { expires: '2027-01-01' }, '/expires', 'RFC 3339'],
    ['token', { services: 'compute' }, '/services', 'must be array'],
    ['acl', { ...acl, access: 'readonly' }, '/access', 'Did you mean "read-only"?'],
    ['acl', { ...acl, grantee: 'usr-2' }, '/grantee', 'joined by a slash'],
    ['acl', { grante: 'user/usr-2', target: acl.target, access: 'read-only' }, '/grantee', 'Did you write "grante" for it?'],
    ['acl', { ...acl, target: { module: 'servers', tag: 'blue' } }, '/target/tag', 'is not known here'],
    ['acl', { ...acl, target: { ressource: 'instance/inst-1' } }, '/target/resource', 'Did you write "ressource" for it?'],
    ['acl', { ...acl, target: { resource: 'inst-1' } }, '/target/resource', 'joined by a slash'],
    ['iam_policy', {}, '/document', 'is missing'],
    ['iam_policy', document({}, { version: '2012-10-17' }), '/document/version', '"2026-11-01"'],
    ['iam_policy', document({ effect: 'Allow' }), '/document/statements/0/effect', 'Did you mean "allow"?'],
    ['iam_policy', document({ condition: {} }), '/document/statements/0/condition', 'Did you mean "conditions"?'],
    ['iam_policy', document({ actions: [] }), '/document/statements/0/actions', 'fewer than 1'],
    ['iam_policy', document({ conditions: { ips: [] } }), '/document/statements/0/conditions/ips', 'Did you mean "ip"?'],
    ['iam_policy', document({ conditions: { ip: ['somewhere'] } }), '/document/statements/0/conditions/ip/0', 'CIDR'],
    ['iam_policy', document({ conditions: { before: 'noon' } }), '/document/statements/0/conditions/before', 'RFC 3339'],
  ])('of type %s may not be %j', (type, properties, path, words) => {
    const fault = faultOf(type, properties);
    expect(fault).toEqual({ pointer: `/properties${path}`, detail: expect.stringContaining(words) });
    expect(fault?.detail.startsWith(`/properties${path} `)).toBe(true);
  });

  it('has the store’s own limit for how long events are kept', () => {
    expect(RETENTION_DAYS.most).toBe(MAX_DAYS);
  });

  it('stands under an id that begins with its account', () => {
    expect(faultOf('acl', acl, 'blue')).toMatchObject({ pointer: '/id' });
    expect(faultOf('iam_policy', document(), 'acc-2:blue')).toMatchObject({ pointer: '/id' });
    expect(faultOf('iam_policy', document(), 'acc-1:')).toMatchObject({ pointer: '/id' });
  });
});
