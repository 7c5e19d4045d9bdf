import { type Member, text, texts } from './members.js';
import { finding, grantOf, offFindings, type Situation } from './situation.js';
import { timeOf } from './times.js';
import type { Finding, Grant } from './types.js';

const STRONG = ['totp', 'hardware_key'] as const;
/** Roles that count whatever models the account uses. */
const APART = ['auditor', 'root'];

/** People log in with a second factor; a service has none to show. SMS is a backup only. */
const factorFindings = ({ holder, user }: Member): readonly Finding[] => {
  if (!holder.startsWith('user/')) return [];
  const factor = user?.properties['two_factor'];
  const methods = typeof factor === 'object' && factor !== null && 'methods' in factor ? texts(factor['methods']) : [];
  if (STRONG.some((method) => methods.includes(method))) return [];
  const has = methods.includes('sms') ? 'has SMS only, which is a backup' : 'has no second factor';
  return [finding('mfa.missing', `${holder} ${has}; ask for TOTP or a hardware key.`)];
};

const endFindings = ({ ends }: Member, role: string | undefined): readonly Finding[] =>
  role === 'auditor' && ends === undefined ? [finding('auditor.no_end', "An auditor's membership takes an end (ends); without one it grants nothing.")] : [];

/** What a member holds by the role, or, without one, that it is a member at all. */
const ofMember = (situation: Situation, member: Member): Grant => {
  const { holder, key, membership, ends } = member;
  const role = text(membership.properties['role']);
  return grantOf(situation, {
    holder,
    kind: role === undefined ? 'membership' : role === 'auditor' ? 'auditor' : 'role',
    what: role ?? 'member without a role',
    via: key,
    since: timeOf(membership.properties['joined']) ?? Date.parse(membership.updated),
    ends,
    last_used: role === undefined ? situation.lastSeen(key) : situation.lastUse(key),
    findings: [
      ...factorFindings(member),
      ...endFindings(member, role),
      ...(role === undefined || APART.includes(role) ? [] : offFindings(situation, 'roles', 'role')),
    ],
  });
};

/** One row for each member. */
export const roleGrants = (situation: Situation): readonly Grant[] => [...situation.members.values()].map((member) => ofMember(situation, member));
