import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import { type Caller, PERMISSIONS, type Permission } from '../caller/types.js';
import { createGuard } from './guard.js';
import type { Policy } from './policy-types.js';

const caller = (accounts: Caller['accounts'], permissions: readonly Permission[]): Caller => ({
  id: 'key:one',
  name: 'one',
  accounts,
  permissions: new Set(permissions),
});

describe('the guard of Verdict’s own API', () => {
  it.each(PERMISSIONS)('opens what takes %s to who holds it, and to nobody who holds all the others', (permission) => {
    expect(guard(caller('all', [permission]), permission)).toBeUndefined();
    const others = PERMISSIONS.filter((one) => one !== permission);
    expect(guard(caller('all', others), permission)).toEqual({ code: 'caller.permission', message: expect.stringMatching(`key:one.*${permission}.*\\.$`) });
  });

  it('opens an account to who is granted it, or all of them', () => {
    const one = caller(['acc-1'], ['audit.read']);
    expect(guard(one, 'audit.read', 'acc-1')).toBeUndefined();
    expect(guard(caller('all', ['audit.read']), 'audit.read', 'acc-2')).toBeUndefined();
    expect(guard(one, 'audit.read', 'acc-2')).toEqual({ code: 'caller.account', message: expect.stringMatching(/acc-2.*\.$/) });
    expect(guard(caller([], ['audit.read']), 'audit.read', 'acc-1')).toMatchObject({ code: 'caller.account' });
  });

  it('an account named all is one account', () => {
    expect(guard(caller(['all'], ['audit.read']), 'audit.read', 'acc-1')).toMatchObject({ code: 'caller.account' });
  });

  it('asks once for each caller, permission and account, and stays shut where its policy fails', () => {
    let asked = 0;
    const failing = {
      decide: () => {
        asked += 1;
        return { allow: false, reasons: [{ code: 'policy.error', message: 'The policy failed.' }], advice: [] };
      },
    } as unknown as Policy;
    const shut = createGuard(failing);
    const one = caller('all', PERMISSIONS);
    for (let index = 0; index < 3; index++) expect(shut(one, 'operate')).toMatchObject({ code: 'caller.permission' });
    expect(asked).toBe(1);
    shut(caller('all', PERMISSIONS), 'operate');
    expect(asked).toBe(2);
  });
});
