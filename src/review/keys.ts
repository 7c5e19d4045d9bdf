import { KEY_TYPE, readKey } from '../caller/index.js';
import type { Entity } from '../evaluate/directory/types.js';
import { finding, grantOf, type Situation } from './situation.js';
import { isDue, ROTATE_DAYS } from './tokens.js';
import type { Finding, Grant } from './types.js';

type Key = NonNullable<ReturnType<typeof readKey>>;

const lifeFindings = ({ created, expires, revoked }: Key, now: number): readonly Finding[] => {
  if (revoked !== undefined) return [finding('key.revoked', `It was revoked at ${revoked} and is still there; it opens nothing.`)];
  if (expires !== undefined && Date.parse(expires) <= now) return [finding('key.expired', `It expired at ${expires} and is still there; it opens nothing.`)];
  if (!isDue(Date.parse(created), now)) return [];
  return [finding('key.rotate', `It was made over ${ROTATE_DAYS} days ago (${created}). Rotate it, then revoke it.`)];
};

const ofKey = (situation: Situation, { id }: Entity, key: Key): Grant =>
  grantOf(situation, {
    holder: `key:${id}`,
    name: key.name,
    kind: 'key',
    what: `${key.permissions.join(', ') || 'nothing'}${key.accounts === 'all' ? ', on all accounts' : ''}`,
    via: `${KEY_TYPE}/${id}`,
    since: Date.parse(key.created),
    ends: key.expires === undefined ? undefined : Date.parse(key.expires),
    last_used: situation.lastUse(`${KEY_TYPE}/${id}`),
    findings: lifeFindings(key, situation.now),
  });

/** Keys that reach further than the reviewer are counted, not shown. */
const withheldGrant = (count: number): Grant => ({
  holder: null,
  name: null,
  kind: 'key',
  what: count === 1 ? 'an API key of the platform' : `${count} API keys of the platform`,
  via: KEY_TYPE,
  since: null,
  ends: null,
  last_used: null,
  findings: [finding('key.withheld', 'What reaches other accounts, too, is shown to a credential that reaches them.')],
});

/** One row for each key that the reviewer may see, and one for the others together. */
export const keyGrants = (situation: Situation, keys: readonly Entity[], withheld: number): readonly Grant[] => [
  ...keys.flatMap((entity) => {
    const key = readKey(entity);
    return key ? [ofKey(situation, entity, key)] : [];
  }),
  ...(withheld > 0 ? [withheldGrant(withheld)] : []),
];
