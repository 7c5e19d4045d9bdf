import { type EventDraft, EventTooLarge, type Json, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import { isAccountName } from './name.js';
import { withoutCredentials } from './secret.js';
import { type Caller, type Permission, reaches } from './types.js';

/** A request that was turned away: what an audit trail needs of it. */
export type RefusedRequest = {
  readonly address: string;
  readonly code: string;
  readonly path: string;
  readonly permission?: Permission;
  /** The account that it asked about. */
  readonly account?: string;
  readonly requestId?: string;
};

export type RefusalsDeps = {
  /** Makes drafts durable; a rejection means: later again. */
  readonly record: (drafts: readonly EventDraft[]) => Promise<unknown>;
  /** Whether the directory knows the account: only such a name makes an event of that account. */
  readonly isAccount: (account: string) => boolean;
  readonly warn: (sentence: string) => void;
  readonly region?: string;
  readonly now?: () => number;
};

export type Refusals = {
  /**
   * Records a refusal. Of a known caller: at once, and resolves when it is durable. Of nobody: counted, and resolves
   * immediately. Never rejects: what can't be recorded now is kept and tried again.
   */
  readonly refused: (caller: Caller | undefined, request: RefusedRequest) => Promise<void>;
  /** Records everything that is only counted so far. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const INTERVAL_MS = 60_000;
/** Addresses counted one by one in an interval; all others are counted together. */
const MOST_ADDRESSES = 1_000;
const MOST_CODES = 16;
const MOST_WAITING = 10_000;
const AT_ONCE = 500;
const MOST_PATH = 1_024;
const OTHERS = 'other addresses';

type Count = { readonly first: number; last: number; count: number; readonly codes: Map<string, number>; readonly path: string };

const cleanPath = (path: string): string => withoutCredentials(path.slice(0, 4 * MOST_PATH)).slice(0, MOST_PATH);

/**
 * Turns refused requests into events `access.refused`. Each decision worker counts for itself: calls of nobody are one
 * event for each address and interval in each worker, and the sum of the counts is how many there were.
 */
export const refusals = (deps: RefusalsDeps, { interval = INTERVAL_MS }: { readonly interval?: number } = {}): Refusals => {
  const now = deps.now ?? Date.now;
  let counts = new Map<string, Count>();
  let waiting: EventDraft[] = [];
  let recording: Promise<void> = Promise.resolve();

  const draft = (time: number, rest: Pick<EventDraft, 'account' | 'actor' | 'details' | 'request'>): EventDraft => ({
    id: newEventId(),
    timestamp: new Date(time).toISOString(),
    kind: 'activity',
    action: 'access.refused',
    resource: { type: 'api', id: 'verdict' },
    result: 'failure',
    ...(deps.region && { region: deps.region }),
    source: 'verdict',
    ...rest,
  });

  /** A name that is only claimed makes no account: the directory must know it, or the credential be for it. */
  const isReal = (caller: Caller, account: string): boolean =>
    isAccountName(account) && (deps.isAccount(account) || (caller.accounts !== 'all' && reaches(caller, account)));

  /** The account asked about, if it is one; else the caller's only one; else Verdict's own. */
  const accountFor = (caller: Caller, asked: string | undefined): string => {
    if (asked !== undefined) return isReal(caller, asked) ? asked : SYSTEM_ACCOUNT;
    return caller.accounts !== 'all' && caller.accounts.length === 1 ? (caller.accounts[0] as string) : SYSTEM_ACCOUNT;
  };

  const draftOf = (caller: Caller, { address, code, permission, account: asked, path, requestId }: RefusedRequest): EventDraft => {
    const account = accountFor(caller, asked);
    return draft(now(), {
      account,
      actor: { type: 'credential', id: caller.id, ...(address && { ip: address }) },
      details: {
        code,
        caller: caller.name,
        ...(permission && { permission }),
        ...(asked !== undefined && asked !== account && { account: asked.slice(0, 256) }),
      },
      request: { path: cleanPath(path), ...(requestId && { id: requestId.slice(0, 256) }) },
    });
  };

  const countDraft = (address: string, { first, last, count, codes, path }: Count): EventDraft => {
    const isOthers = address === OTHERS;
    const details: Record<string, Json> = {
      count,
      codes: Object.fromEntries(codes),
      until: new Date(last).toISOString(),
      ...(isOthers && { addresses: OTHERS }),
    };
    const actor = { type: 'anonymous', id: 'anonymous', ...(!isOthers && address && { ip: address }) };
    return draft(first, { account: SYSTEM_ACCOUNT, actor, details, request: { path } });
  };

  const count = ({ address, code, path }: RefusedRequest): void => {
    const time = now();
    const key = counts.has(address) || counts.size < MOST_ADDRESSES ? address : OTHERS;
    let entry = counts.get(key);
    if (!entry) {
      entry = { first: time, last: time, count: 0, codes: new Map(), path: cleanPath(path) };
      counts.set(key, entry);
    }
    entry.last = time;
    entry.count += 1;
    const shown = entry.codes.has(code) || entry.codes.size < MOST_CODES ? code : 'other';
    entry.codes.set(shown, (entry.codes.get(shown) ?? 0) + 1);
  };

  const keep = (drafts: readonly EventDraft[]): void => {
    const room = MOST_WAITING - waiting.length;
    waiting.push(...drafts.slice(0, room));
    if (drafts.length > room)
      deps.warn(`${drafts.length - room} refused requests can't be recorded: the journal takes nothing, and ${MOST_WAITING} wait for it already.`);
  };

  const record = async (drafts: readonly EventDraft[]): Promise<void> => {
    try {
      await deps.record(drafts);
    } catch (error) {
      if (!(error instanceof EventTooLarge)) return keep(drafts);
      deps.warn(`A refused request can't be recorded: ${error.message}`);
      await record(drafts.filter((_, index) => index !== error.index));
    }
  };

  const flushNow = async (): Promise<void> => {
    const drafts = [...waiting, ...[...counts].map(([address, entry]) => countDraft(address, entry))];
    waiting = [];
    counts = new Map();
    for (let from = 0; from < drafts.length; from += AT_ONCE) await record(drafts.slice(from, from + AT_ONCE));
  };
  const flush = (): Promise<void> => {
    recording = recording.then(flushNow);
    return recording;
  };
  const timer = setInterval(() => void flush(), interval);
  timer.unref();

  return {
    refused: async (caller, request) => {
      if (caller) await record([draftOf(caller, request)]);
      else count(request);
    },
    flush,
    close: async () => {
      clearInterval(timer);
      await flush();
      if (waiting.length > 0) deps.warn(`${waiting.length} refused requests were not recorded: the journal took nothing until the end.`);
    },
  };
};
