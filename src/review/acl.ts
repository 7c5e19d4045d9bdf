import type { Entity } from '../evaluate/directory/types.js';
import type { Json } from '../event/index.js';
import { text, texts } from './members.js';
import { finding, grantOf, offFindings, type Situation } from './situation.js';
import { hasEnded, sayEnd, timeOf } from './times.js';
import type { Finding, Grant } from './types.js';

const GROUP = 'group/';

/** What an entry is about, in words; undefined where its target can't be told. */
const targetOf = (target: Json | undefined): string | undefined => {
  if (typeof target !== 'object' || target === null || Array.isArray(target)) return undefined;
  const { module, resource, tag, except } = target as { readonly [name: string]: Json };
  const but = texts(except);
  if (text(module) !== undefined) return `${module === '*' ? 'every module' : `the module ${String(module)}`}${but.length > 0 ? ` but ${but.join(', ')}` : ''}`;
  if (text(resource) !== undefined) return String(resource);
  return text(tag) === undefined ? undefined : `what carries the tag ${String(tag)}`;
};

/** `read-write on the module servers, writing only start, stop`. */
const whatOf = ({ properties }: Entity): string => {
  const verbs = texts(properties['verbs']);
  const narrowed = verbs.length > 0 && properties['access'] === 'read-write' ? `, writing only ${verbs.join(', ')}` : '';
  return `${text(properties['access']) ?? 'unreadable'} on ${targetOf(properties['target']) ?? 'nothing that can be told'}${narrowed}`;
};

type Held = { readonly holder: string | null; readonly who: string | undefined; readonly group: string | undefined };

/** Who holds an entry: its grantee, or each member of its group. */
const holdersOf = ({ members }: Situation, grantee: string | undefined): readonly Held[] => {
  if (grantee === undefined) return [{ holder: null, who: undefined, group: undefined }];
  if (!grantee.startsWith(GROUP)) return [{ holder: grantee, who: members.get(grantee)?.key ?? grantee, group: undefined }];
  const name = grantee.slice(GROUP.length);
  const held = [...members.values()].filter(({ groups }) => groups.includes(name)).map(({ holder, key }) => ({ holder, who: key, group: grantee }));
  return held.length > 0 ? held : [{ holder: null, who: undefined, group: grantee }];
};

const danglingFindings = ({ account, members }: Situation, { holder, group }: Held): readonly Finding[] => {
  if (holder === null) {
    const nobody = group === undefined ? 'It names no grantee' : `Nobody is in ${group}`;
    return [finding('grant.dangling', `${nobody}, so it grants nobody anything. Delete the entry.`)];
  }
  return members.has(holder) ? [] : [finding('grant.dangling', `${holder} is no member of ${account}. Delete the entry.`)];
};

const ofEntry = (situation: Situation, entry: Entity, held: Held): Grant => {
  const ends = timeOf(entry.properties['ends']);
  return grantOf(situation, {
    holder: held.holder,
    kind: 'acl',
    what: whatOf(entry),
    via: `acl/${entry.id}${held.group === undefined ? '' : ` (${held.group})`}`,
    since: Date.parse(entry.updated),
    ends,
    last_used: situation.lastUse(`acl/${entry.id}`, held.who),
    findings: [
      ...danglingFindings(situation, held),
      ...(targetOf(entry.properties['target']) === undefined
        ? [finding('grant.unreadable', 'Its target is no module, resource or tag, so it grants nothing. Write it anew.')]
        : []),
      ...(hasEnded(ends, situation.now) ? [finding('grant.ended', `The entry is over: ${sayEnd(ends)}. Delete it.`)] : []),
      ...offFindings(situation, 'acl', 'entry'),
    ],
  });
};

/** One row for each entry and each of its holders. */
export const aclGrants = (situation: Situation, entries: readonly Entity[]): readonly Grant[] =>
  entries.flatMap((entry) => holdersOf(situation, text(entry.properties['grantee'])).map((held) => ofEntry(situation, entry, held)));
