import { fileURLToPath } from 'node:url';
import type { Caller, Guard, Permission, Refusal } from '../caller/types.js';
import { loadPolicy } from './policy.js';
import type { Policy } from './policy-types.js';

/** Verdict's own policy, which guards its API: built in, so that a platform's own can neither open nor lock it. */
const BUNDLE = fileURLToPath(new URL('../../policies/api.tar.gz', import.meta.url));
const ENTRYPOINT = 'verdict/api/decision';
const MEMORY_PAGES = 64;

/** So many answers about one caller are remembered; asking about more accounts begins anew. */
const REMEMBERED = 1_024;

const CODES: ReadonlySet<string> = new Set<Refusal['code']>(['caller.permission', 'caller.account']);

const askOf = (policy: Policy, caller: Caller, permission: Permission, account: string | undefined): Refusal | undefined => {
  const { id, permissions, accounts } = caller;
  const { allow, reasons } = policy.decide({ caller: { id, permissions: [...permissions], accounts }, need: { permission, account: account ?? null } });
  if (allow) return undefined;
  const reason = reasons.find(({ code }) => CODES.has(code)) as Refusal | undefined;
  return reason ?? { code: 'caller.permission', message: `Verdict's own policy gives no answer about ${permission}: ${reasons[0]?.message ?? 'it fails'}` };
};

/** Asks the policy once for each caller, permission and account: what it answers depends on nothing else. */
export const createGuard = (policy: Policy): Guard => {
  const answers = new WeakMap<Caller, Map<string, Refusal | undefined>>();
  return (caller, permission, account) => {
    const known = answers.get(caller) ?? new Map<string, Refusal | undefined>();
    answers.set(caller, known);
    const name = account === undefined ? permission : `${permission} ${account}`;
    if (known.has(name)) return known.get(name);
    if (known.size >= REMEMBERED) known.clear();
    const answer = askOf(policy, caller, permission, account);
    known.set(name, answer);
    return answer;
  };
};

/** The guard by the policy that ships. Rejects with PolicyError if its bundle can't be used. */
export const loadGuard = async (): Promise<Guard> => createGuard(await loadPolicy({ path: BUNDLE, entrypoint: ENTRYPOINT, memoryPages: MEMORY_PAGES }));
