import type { LastUses } from '../store/index.js';
import { type Member, membersOf, texts } from './members.js';
import { hasEnded, sayEnd, textOf } from './times.js';
import type { AccountEntities, Finding, FindingCode, Grant } from './types.js';

/** What every part of a review looks at. Times are milliseconds since the epoch. */
export type Situation = {
  readonly account: string;
  readonly now: number;
  readonly members: ReadonlyMap<string, Member>;
  /** The account's `access_models`. */
  readonly models: readonly string[];
  /** The last use of a grant by one asker, or by anybody where none is named. */
  readonly lastUse: (grant: string, who?: string) => number | undefined;
  /** The last use of anything by one asker. */
  readonly lastSeen: (who: string) => number | undefined;
  readonly usedSince: number;
};

type Latest = Map<string, number>;

const later = (latest: Latest, key: string, time: number): void => {
  if (time > (latest.get(key) ?? Number.NEGATIVE_INFINITY)) latest.set(key, time);
};

const pair = (grant: string, who: string): string => JSON.stringify([grant, who]);

export const situationOf = (entities: AccountEntities, uses: LastUses, now: number): Situation => {
  const [byGrant, byBoth, byWho]: readonly [Latest, Latest, Latest] = [new Map(), new Map(), new Map()];
  for (const { who, grant, last_used } of uses.rows) {
    later(byGrant, grant, last_used);
    later(byBoth, pair(grant, who), last_used);
    later(byWho, who, last_used);
  }
  const models = entities.entity?.properties['access_models'];
  return {
    account: entities.account,
    now,
    members: membersOf(entities),
    models: models === undefined ? ['roles'] : texts(models),
    lastUse: (grant, who) => (who === undefined ? byGrant.get(grant) : byBoth.get(pair(grant, who))),
    lastSeen: (who) => byWho.get(who),
    usedSince: uses.from,
  };
};

export const finding = (code: FindingCode, message: string): Finding => ({ code, message });

type Draft = Omit<Grant, 'name' | 'since' | 'ends' | 'last_used'> & {
  readonly name?: string | null;
  readonly since: number | null | undefined;
  readonly ends?: number | null | undefined;
  readonly last_used: number | undefined;
};

/** A grant with its times as text, and with what is found of every kind: that it wasn't used, and that its member has left. */
export const grantOf = ({ members, now, usedSince }: Situation, draft: Draft): Grant => {
  const member = draft.holder === null ? undefined : members.get(draft.holder);
  const left =
    member && hasEnded(member.ends, now) ? [finding('membership.ended', `The membership of ${member.holder} is over: ${sayEnd(member.ends)}. Delete it.`)] : [];
  const unused = draft.last_used === undefined ? [finding('never_used', `No allowed decision has rested on it since ${textOf(usedSince)}.`)] : [];
  return {
    holder: draft.holder,
    name: draft.name ?? member?.name ?? null,
    kind: draft.kind,
    what: draft.what,
    via: draft.via,
    since: textOf(draft.since),
    ends: textOf(draft.ends),
    last_used: textOf(draft.last_used),
    findings: [...draft.findings, ...left, ...unused],
  };
};

/** What is found of a grant whose model the account does not use. */
export const offFindings = ({ models }: Situation, model: 'roles' | 'acl' | 'iam', noun: string): readonly Finding[] =>
  models.includes(model)
    ? []
    : [finding('grant.off', `It grants nothing now: the account's access_models lack ${model}. Delete the ${noun}, or it counts when that changes.`)];
