import { setImmediate as nextTurn } from 'node:timers/promises';
import { OWN_SOURCES } from '../caller/name.js';
import type { Caller, Guard } from '../caller/types.js';
import {
  type EventDraft,
  eventParts,
  isObject,
  type Json,
  type JsonObject,
  looksSecret,
  MAX_EVENT_BYTES,
  newAjv,
  newEventId,
  pathWithoutSecrets,
  SYSTEM_ACCOUNT,
  sayError,
  textWithoutSecrets,
  withoutSecrets,
} from '../event/index.js';
import { fingerprintOf } from './conflicts.js';
import type { Fingerprint, Journal, Recorded } from './journal-types.js';

/** One place in what a producer posted: a value, or why there is none. */
export type Posted =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly code: string; readonly detail: string; readonly status?: 413 | 422 };

/** Why one of the posted events isn't recorded. `index` counts from 0 in what was posted. */
export type Rejected = {
  readonly index: number;
  readonly status: 403 | 409 | 413 | 422;
  readonly code: string;
  readonly detail: string;
  /** For a 403: the account that was asked for. */
  readonly account?: string;
};

/** Where one of the posted events stands. `duplicate`: it stood there before. */
export type Accepted = Recorded & { readonly index: number; readonly duplicate?: true };

export type RecordOutcome =
  /** On disk. `errors` has something only where bad ones were to be skipped. */
  | { readonly outcome: 'recorded'; readonly events: readonly Accepted[]; readonly errors: readonly Rejected[] }
  /** Nothing was recorded. */
  | { readonly outcome: 'rejected'; readonly errors: readonly Rejected[] };

/** The most events in one request. */
export const MAX_POSTED = 1_000;

/** What a producer may write (JSON Schema, draft-07): activity only, and nothing that Verdict sets itself. */
export const postedEventSchema = {
  title: 'PostedEvent',
  type: 'object',
  required: ['actor', 'action', 'resource', 'result'],
  additionalProperties: false,
  properties: {
    id: {
      ...eventParts.id,
      description:
        "The producer's own id; it brings its timestamp. Made by Verdict where it is absent. Not one of gaps, export, . and .., by which no event could be asked for.",
    },
    timestamp: { type: 'string', format: 'date-time', maxLength: 64, description: 'When it happened; now, where it is absent.' },
    account: { ...eventParts.account, description: "The caller's only account, where it is absent." },
    kind: { const: 'activity' },
    actor: eventParts.actor,
    action: eventParts.action,
    resource: eventParts.resource,
    result: { enum: ['success', 'failure', 'error'] },
    details: { type: 'object', properties: { personal: { type: 'object' } } },
    caused_by: eventParts.caused_by,
    request: eventParts.request,
    region: eventParts.region,
  },
} as const;

type PostedEvent = Omit<EventDraft, 'id' | 'timestamp' | 'account' | 'kind' | 'source' | 'decision'> &
  Partial<Pick<EventDraft, 'id' | 'timestamp' | 'account'>>;
const isPostedEvent = newAjv().compile<PostedEvent>(postedEventSchema);

const DAY_MS = 86_400_000;
const AHEAD_MS = 5 * 60_000;
/** What `event.backfill` may reach at most: 1970 to 2105, what the store's partitions and time columns hold. */
const BACKFILL = { from: 0, to: Date.UTC(2106, 0, 1) };

/** Names that are Verdict's own to write, with what a producer does instead. */
const RESERVED: { readonly [field: string]: string } = {
  log: 'Verdict sets it',
  seq: 'Verdict sets it',
  salts: 'Verdict sets it',
  recorded: 'Verdict sets it',
  source: 'the credential sets it',
  decision: 'only Verdict records decisions; name the one that allowed this in "caused_by"',
};

/** Ids under which GET /v1/audit-logs/{id} would be another route, or another path. */
const ROUTES: ReadonlySet<string> = new Set(['gaps', 'export', '.', '..']);

type Fault = Omit<Rejected, 'index'>;
export type Drafted = { readonly ok: true; readonly draft: EventDraft; readonly hasOwnId: boolean } | { readonly ok: false; readonly fault: Fault };

const fault = (code: string, detail: string, status: Rejected['status'] = 422, account?: string): { readonly ok: false; readonly fault: Fault } => ({
  ok: false,
  fault: { status, code, detail, ...(account !== undefined && { account }) },
});

/** Makes a draft of what a producer posted, or says what is wrong with it. Pure. `now` in milliseconds since the epoch. */
export const draftOf = (posted: Json, caller: Caller, guard: Guard, now: number, newId: () => string = newEventId): Drafted => {
  if (!isObject(posted)) return fault('event.invalid', 'An event must be a JSON object.');
  const reserved = Object.keys(RESERVED).find((name) => Object.hasOwn(posted, name));
  if (reserved) return fault('event.reserved', `"${reserved}" may not be posted: ${RESERVED[reserved]}.`);
  if (posted['kind'] !== undefined && posted['kind'] !== 'activity')
    return fault('event.kind', '"kind" may only be "activity": decisions are recorded by Verdict alone.');
  if (!isPostedEvent(posted)) return fault('event.invalid', sayError(isPostedEvent.errors, 'event'));
  if (posted.id !== undefined && ROUTES.has(posted.id))
    return fault('id.reserved', `"id" may not be "${posted.id}": GET /v1/audit-logs/${posted.id} is something else. Give this event another id.`);
  const account = accountOf(posted, caller, guard);
  if (!account.ok) return account;
  const timestamp = timestampOf(posted, caller, guard, now);
  if (!timestamp.ok) return timestamp;
  const draft = toDraft(posted, account.value, timestamp.value, caller.name, newId);
  return { ok: true, draft, hasOwnId: posted.id !== undefined };
};

const toDraft = (posted: PostedEvent, account: string, timestamp: string, source: string, newId: () => string): EventDraft => ({
  id: posted.id ?? newId(),
  timestamp,
  account,
  kind: 'activity',
  actor: textsWithoutSecrets(posted.actor),
  action: posted.action,
  resource: textsWithoutSecrets(posted.resource),
  result: posted.result,
  details: withoutSecrets(posted.details ?? {}) as JsonObject,
  ...(posted.caused_by !== undefined && { caused_by: posted.caused_by }),
  ...(posted.request && { request: requestOf(posted.request) }),
  ...(posted.region !== undefined && { region: posted.region }),
  source,
});

/** The same, with secrets struck out of every text in it. */
const textsWithoutSecrets = <T extends object>(whole: T): T =>
  Object.values(whole).some((one) => typeof one === 'string' && looksSecret(one))
    ? (Object.fromEntries(Object.entries(whole).map(([name, one]) => [name, typeof one === 'string' ? textWithoutSecrets(one) : one])) as T)
    : whole;

const requestOf = (request: NonNullable<PostedEvent['request']>): NonNullable<PostedEvent['request']> => {
  const plain = textsWithoutSecrets(request);
  return plain.path === undefined ? plain : { ...plain, path: pathWithoutSecrets(plain.path) };
};

type Found = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly fault: Fault };

const accountOf = (posted: PostedEvent, caller: Caller, guard: Guard): Found => {
  const account = posted.account ?? (caller.accounts !== 'all' && caller.accounts.length === 1 ? caller.accounts[0] : undefined);
  if (account === undefined) return fault('account.missing', 'This credential may write for several accounts: the event must name its "account".');
  const refusal = guard(caller, 'event.record', account);
  if (refusal) return fault(refusal.code, refusal.message, 403, account);
  if (account === SYSTEM_ACCOUNT) return fault('account.reserved', `The account "${SYSTEM_ACCOUNT}" is for Verdict's own acts.`, 403, account);
  if (OWN_SOURCES.has(caller.name))
    return fault('source.reserved', `This credential is named "${caller.name}", which is for Verdict's own events.`, 403, account);
  return { ok: true, value: account };
};

const timestampOf = (posted: PostedEvent, caller: Caller, guard: Guard, now: number): Found => {
  if (posted.timestamp === undefined) {
    if (posted.id !== undefined) return fault('timestamp.missing', 'An event with its own "id" must bring its "timestamp", so that a retry is the same event.');
    return { ok: true, value: new Date(now).toISOString() };
  }
  const time = Date.parse(posted.timestamp);
  if (Number.isNaN(time)) return fault('timestamp.invalid', `"timestamp" is no instant that Verdict can keep: ${posted.timestamp}.`);
  const mayBackfill = !guard(caller, 'event.backfill');
  const from = mayBackfill ? BACKFILL.from : now - DAY_MS;
  const to = mayBackfill ? BACKFILL.to : now + AHEAD_MS;
  if (time >= from && time <= to) return { ok: true, value: new Date(time).toISOString() };
  const limits = mayBackfill ? 'between 1970 and 2105' : 'at most 24 h back or 5 min ahead, unless the credential may event.backfill';
  return fault('timestamp.range', `"timestamp" must lie ${limits}; this one is ${posted.timestamp}.`);
};

/** Room in a line for what the journal adds: `recorded`, `log`, `seq`, `salts` and their names. */
const PLACE_BYTES = 256;

const tooLarge = (bytes: number): Fault => ({
  status: 413,
  code: 'event.too_large',
  detail: `The event comes to about ${bytes} bytes; at most ${MAX_EVENT_BYTES} are kept.`,
});

type Ready = { readonly index: number; readonly draft: EventDraft; readonly fingerprint: Fingerprint | undefined };
type Repeat = { readonly index: number; readonly first: number };

export type RecordDeps = { readonly journal: Pick<Journal, 'append' | 'known' | 'settled'>; readonly guard: Guard; readonly now?: () => number };
export type Recorder = (posted: readonly Posted[], caller: Caller, onError: 'reject' | 'skip') => Promise<RecordOutcome>;

/** After so many bytes of checked events, others have their turn. */
const TURN_BYTES = 256 * 1024;

/**
 * Records what producers post. A retry (same account, source and id, same content) is answered with the first record;
 * the same id with other content is an error `id.conflict`. Rejects with JournalUnavailable: then nothing is promised.
 */
export const createRecorder = (deps: RecordDeps): Recorder => {
  const now = deps.now ?? Date.now;
  /** Appends whose commit is under way: a retry of theirs is answered no sooner than they are. */
  const underWay = new Map<string, Promise<unknown>>();

  const prepare = async (posted: readonly Posted[], caller: Caller): Promise<{ readonly ready: readonly Ready[]; readonly errors: Rejected[] }> => {
    const ready: Ready[] = [];
    const errors: Rejected[] = [];
    const time = now();
    let sinceTurn = 0;
    for (const [index, one] of posted.entries()) {
      const drafted: Drafted = one.ok ? draftOf(one.value, caller, deps.guard, time) : fault(one.code, one.detail, one.status);
      if (!drafted.ok) {
        errors.push({ index, ...drafted.fault });
        continue;
      }
      const { draft, hasOwnId } = drafted;
      const bytes = Buffer.byteLength(JSON.stringify(draft)) + PLACE_BYTES;
      if (bytes > MAX_EVENT_BYTES) errors.push({ index, ...tooLarge(bytes) });
      else ready.push({ index, draft, fingerprint: hasOwnId ? fingerprintOf(draft) : undefined });
      sinceTurn += bytes;
      if (sinceTurn < TURN_BYTES) continue;
      sinceTurn = 0;
      await nextTurn();
    }
    return { ready, errors };
  };

  /** What is new, what repeats an earlier record, what repeats another of the same request, and what contradicts either. */
  const sift = (ready: readonly Ready[]) => {
    const fresh: Ready[] = [];
    const known: Accepted[] = [];
    const repeats: Repeat[] = [];
    const conflicts: Rejected[] = [];
    const here = new Map<string, { readonly place: number; readonly content: string }>();
    for (const one of ready) {
      const { fingerprint, index } = one;
      const before = fingerprint && deps.journal.known(fingerprint.key);
      const sibling = fingerprint && here.get(fingerprint.key);
      if (!fingerprint || (!before && !sibling)) {
        if (fingerprint) here.set(fingerprint.key, { place: fresh.length, content: fingerprint.content });
        fresh.push(one);
      } else if ((before ?? sibling)?.content !== fingerprint.content) conflicts.push(conflict(one));
      else if (before) known.push({ index, id: before.id, log: before.log, seq: before.seq, recorded: before.recorded, duplicate: true });
      else repeats.push({ index, first: (sibling as { place: number }).place });
    }
    return { fresh, known, repeats, conflicts };
  };

  const append = async (fresh: readonly Ready[]): Promise<readonly Recorded[]> => {
    if (fresh.length === 0) return [];
    const appended = deps.journal.append(
      fresh.map((one) => one.draft),
      { fingerprints: fresh.map((one) => one.fingerprint) },
    );
    const keys = fresh.flatMap((one) => (one.fingerprint ? [one.fingerprint.key] : []));
    for (const key of keys) underWay.set(key, appended);
    try {
      return await appended;
    } finally {
      for (const key of keys) if (underWay.get(key) === appended) underWay.delete(key);
    }
  };

  return async (posted, caller, onError) => {
    const { ready, errors } = await prepare(posted, caller);
    // From here to the append nothing waits: what is new stays new.
    const { fresh, known, repeats, conflicts } = sift(ready);
    errors.push(...conflicts);
    errors.sort((left, right) => left.index - right.index);
    if (errors.length > 0 && onError === 'reject') return { outcome: 'rejected', errors };
    const earlier = ready.flatMap((one) => (one.fingerprint ? [underWay.get(one.fingerprint.key)] : []));
    const [recorded] = await Promise.all([append(fresh), ...earlier, ...known.map(deps.journal.settled)]);
    const events: Accepted[] = [
      ...recorded.map((at, place): Accepted => ({ index: (fresh[place] as Ready).index, ...at })),
      ...repeats.map(({ index, first }): Accepted => ({ index, ...(recorded[first] as Recorded), duplicate: true })),
      ...known,
    ];
    return { outcome: 'recorded', events: events.sort((left, right) => left.index - right.index), errors };
  };
};

const conflict = ({ index, draft }: Ready): Rejected => ({
  index,
  status: 409,
  code: 'id.conflict',
  detail: `The id ${draft.id} of ${draft.source} stands for other content already; the first record stands. Give this event an id of its own.`,
});
