import { decodeTime } from 'ulid';
import type { LogRange } from '../event/index.js';
import { type CommitKey, type JournalEnvironment, unpackCommit } from './journal-env.js';

/** How far a consumer is in one journal: the last event it handled, and when that was recorded (milliseconds since 1970). */
export type Cursor = { readonly log: string; readonly seq: number; readonly at?: number };

/** What a follower has missed in one journal, and where it goes on after that. */
export type MissedHere = { readonly from: number; readonly to: number; readonly ranges: readonly LogRange[]; readonly next: Cursor };

/** A clock may have been set back by so much between two commits that lie next to each other. */
const SLACK_MS = 60_000;
const NOWHERE: CommitKey = ['', 0];

/** The `recorded` of the first line, in milliseconds: its place in the line is fixed (see event/line.ts). */
export const recordedAt = (lines: Buffer): number => {
  const at = lines.indexOf('"recorded":"');
  return at < 0 ? Number.NaN : Date.parse(lines.toString('latin1', at + 12, at + 36));
};

/** The place that follows a cursor; undefined where its log isn't over, or not known. Without a cursor: the first there ever was. */
const following = (env: JournalEnvironment, at: Cursor | undefined): CommitKey | undefined => {
  if (!at) {
    const [first] = env.logs.getKeys({ limit: 1 });
    return first === undefined ? undefined : [first, 1];
  }
  const end = env.logs.get(at.log);
  if (end === undefined) return undefined;
  if (end === 0 || at.seq < end) return [at.log, at.seq + 1];
  const [, later] = env.logs.getKeys({ start: at.log, limit: 2 });
  return later === undefined ? undefined : [later, 1];
};

/** The first commit that a cursor has not passed, if it is the very next one; `missed` where something before it is gone. */
export const nextCommit = (env: JournalEnvironment, at: Cursor | undefined): { readonly key: CommitKey; readonly value: Buffer } | 'missed' | undefined => {
  const expected = following(env, at);
  const [first] = env.commits.getRange({ start: at ? [at.log, at.seq + 1] : NOWHERE, limit: 1 });
  if (!expected) return first;
  if (first) return first.key[0] === expected[0] && first.key[1] === expected[1] ? first : 'missed';
  const head = env.state.get('head');
  return head && (expected[0] < head.log || (expected[0] === head.log && expected[1] <= head.seq)) ? 'missed' : undefined;
};

/** The runs from one place up to another (not in): each log's own end is known once it is over. */
const rangesTo = (env: JournalEnvironment, [log, seq]: CommitKey, [endLog, endSeq]: CommitKey): readonly LogRange[] => {
  const ranges: LogRange[] = [];
  for (const { key, value } of env.logs.getRange({ start: log })) {
    if (key > endLog) break;
    const from = key === log ? seq : 1;
    const to = key === endLog ? endSeq - 1 : value;
    if (to >= from) ranges.push({ log: key, from, to });
  }
  return ranges;
};

/**
 * What lies between a cursor and the journal's tail, and is no longer in the journal: the store has taken it. `since`
 * (milliseconds since 1970) is where a follower begins that has no cursor here. Undefined where nothing is missing.
 */
export const missedIn = (env: JournalEnvironment, at: Cursor | undefined, since: number, now: number): MissedHere | undefined => {
  if (nextCommit(env, at) !== 'missed') return undefined;
  const expected = following(env, at) as CommitKey;
  const [first] = env.commits.getRange({ start: expected, limit: 1 });
  const head = env.state.get('head');
  const tail: CommitKey = first ? first.key : [head?.log ?? expected[0], (head?.seq ?? 0) + 1];
  const tailTime = first ? recordedAt(unpackCommit(first.key, first.value).lines) : now;
  const begin = at ? (at.at ?? decodeTime(at.log)) : Math.max(since, decodeTime(expected[0]) - SLACK_MS);
  const next = { log: tail[0], seq: tail[1] - 1, at: tailTime };
  return { from: at ? Math.min(begin, tailTime) - SLACK_MS : begin, to: tailTime + SLACK_MS, ranges: rangesTo(env, expected, tail), next };
};
