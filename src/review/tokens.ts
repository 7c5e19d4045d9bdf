import type { Entity } from '../evaluate/directory/types.js';
import { text, texts } from './members.js';
import { finding, grantOf, type Situation } from './situation.js';
import { textOf, timeOf } from './times.js';
import type { Finding, Grant } from './types.js';

/** Tokens and keys are rotated every quarter. */
export const ROTATE_DAYS = 90;
const DAY_MS = 86_400_000;

export const isDue = (created: number | null | undefined, now: number): boolean =>
  created !== undefined && created !== null && now - created > ROTATE_DAYS * DAY_MS;

const ownerFindings = ({ account, members }: Situation, holder: string | null): readonly Finding[] => {
  if (holder === null) return [finding('token.owner', 'It names no owner, so it is denied everything. Delete it.')];
  return members.has(holder) ? [] : [finding('grant.dangling', `Its owner ${holder} is no member of ${account}. Delete it.`)];
};

/** What is to be done about the token itself: it is over, or it can't be read, or it is old. */
const lifeFindings = ({ properties, updated }: Entity, now: number): readonly Finding[] => {
  const times = ['created', 'expires', 'not_before'].map((name) => [name, timeOf(properties[name])] as const);
  const expires = timeOf(properties['expires']);
  const unreadable = times.filter(([, time]) => time === null).map(([name]) => name);
  const over = [
    ...(properties['revoked'] === true ? [finding('token.revoked', 'It is revoked and still there. Delete it.')] : []),
    ...(typeof expires === 'number' && expires <= now ? [finding('token.expired', `It expired at ${textOf(expires)} and is still there. Delete it.`)] : []),
    ...(unreadable.length > 0
      ? [finding('token.invalid', `What stands in ${unreadable.join(', ')} is no time (RFC 3339), so it is denied everything. Delete it.`)]
      : []),
  ];
  // One whose making isn't noted is at least as old as its last change.
  const created = timeOf(properties['created']) ?? Date.parse(updated);
  return over.length > 0 || !isDue(created, now)
    ? over
    : [finding('token.rotate', `It was made over ${ROTATE_DAYS} days ago (${textOf(created)}). Make another, then revoke it.`)];
};

const ofToken = (situation: Situation, token: Entity): Grant => {
  const { properties } = token;
  const owner = text(properties['owner']);
  const holder = owner === undefined ? null : `user/${owner}`;
  const services = texts(properties['services']);
  return grantOf(situation, {
    holder,
    kind: 'token',
    what: `scope ${text(properties['scope']) ?? 'write'}, ${services.length > 0 ? `services ${services.join(', ')}` : 'all services'}`,
    via: `token/${token.id}`,
    since: timeOf(properties['created']) ?? Date.parse(token.updated),
    ends: timeOf(properties['expires']),
    last_used: situation.lastUse(`token/${token.id}`),
    findings: [...ownerFindings(situation, holder), ...lifeFindings(token, situation.now)],
  });
};

/** One row for each token. */
export const tokenGrants = (situation: Situation, tokens: readonly Entity[]): readonly Grant[] => tokens.map((token) => ofToken(situation, token));
