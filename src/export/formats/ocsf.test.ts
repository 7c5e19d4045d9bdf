import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEvent, outgoing } from '../../../test/peers/any-event.js';
import { anEvent } from '../../../test/peers/events.js';
import { OCSF_FACTS, ocsfFaults } from '../../../test/peers/ocsf.js';
import type { DecisionRecord, Event, JsonObject } from '../../event/index.js';
import { ocsf } from './ocsf.js';

const written = (event: Event): JsonObject => JSON.parse(ocsf.line(outgoing(event))) as JsonObject;
const of = (action: string, type: string, more: Partial<Event> = {}): JsonObject =>
  written(anEvent({ seq: 1, action, resource: { type, id: 'r-1', name: 'one' }, ...more }));
const decision: DecisionRecord = {
  allow: false,
  reasons: [{ code: 'rbac.denied', message: 'No role allows it.' }],
  advice: [],
  policy: 'rev-1',
  duration_us: 7,
  question: {},
  facts: {},
};

describe('OCSF', () => {
  test('is of the version that it says', () => {
    expect([ocsf.version, (written(anEvent({ seq: 1 }))['metadata'] as JsonObject)['version']]).toEqual([OCSF_FACTS.version, OCSF_FACTS.version]);
  });

  test('has what the published schema requires and nothing that it does not know, whatever the event', () => {
    const seen = new Set<unknown>();
    fc.assert(
      fc.property(anyEvent, (event) => {
        const one = written(event);
        seen.add(one['class_uid']);
        expect(ocsfFaults(one)).toEqual([]);
      }),
      { numRuns: 1000, seed: 42 },
    );
    expect([...seen].sort()).toEqual([3001, 3002, 3004, 6003]);
  });

  test.each([
    ['user.login', 'user', 3002, 1, 'Logon'],
    ['session.log_out', 'session', 3002, 2, 'Logoff'],
    ['user.create', 'user', 3001, 1, 'Create'],
    ['user.password.reset', 'user', 3001, 4, 'Password Reset'],
    ['user.mfa_disable', 'service_account', 3001, 11, 'MFA Factor Disable'],
    ['user.unlock', 'user', 3001, 12, 'Unlock'],
    ['user.update', 'user', 3004, 3, 'Update'],
    ['role.delete', 'role', 3004, 4, 'Delete'],
    ['group.suspend', 'group', 3004, 12, 'Suspend'],
    ['entity.write', 'instance', 3004, 3, 'Update'],
    ['policy.approve', 'policy', 3004, 99, 'approve'],
    ['instance.create', 'instance', 6003, 1, 'Create'],
    ['audit.read', 'events', 6003, 2, 'Read'],
    ['instance.start', 'instance', 6003, 99, 'start'],
    ['x.constructor', 'user', 3004, 99, 'constructor'],
  ])('%s on a %s is class %i, activity %i', (action, type, class_uid, activity_id, activity_name) => {
    expect(of(action, type)).toMatchObject({ class_uid, activity_id, activity_name, type_uid: class_uid * 100 + activity_id });
  });

  test('of a decision is an API activity, whatever was asked', () => {
    const one = of('user.login', 'user', { kind: 'decision', result: 'denied', decision });
    expect(one).toMatchObject({ class_uid: 6003, action_id: 2, status_id: 2, status_detail: 'rbac.denied: No role allows it.' });
    expect(one['authorizations']).toEqual([{ decision: 'denied', policy: { uid: 'rev-1' } }]);
  });

  test('names the user who logged in: the resource, where that is a user, else the actor', () => {
    expect(of('user.login', 'user')['user']).toEqual({ uid: 'r-1' });
    expect(of('session.login', 'session')['user']).toEqual({ uid: 'usr-1' });
  });

  test('keeps beside the schema what the schema would refuse', () => {
    const one = of('a.b', 'c', { actor: { type: 'user', id: 'u', email: 'nobody', ip: 'unknown' }, request: { method: 'brew' } });
    expect(one).toMatchObject({ src_endpoint: { svc_name: 'libvirt' }, unmapped: { actor: { email: 'nobody', ip: 'unknown' }, request: { method: 'brew' } } });
  });
});
