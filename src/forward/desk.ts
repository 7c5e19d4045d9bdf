import { reachesAll } from '../caller/grant.js';
import { oneByOne } from '../caller/one-by-one.js';
import type { Caller } from '../caller/types.js';
import { type Residency, residencyOf } from '../evaluate/directory/residency.js';
import type { Directory, Entity, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { type EventDraft, type JsonObject, newUlid } from '../event/index.js';
import type { Outgoing, Step } from '../export/sender.js';
import type { Recorded } from '../ingest/index.js';
import { SecretError } from '../outbound/index.js';
import { hasMask, MASK, opened, sameButSecrets, sealed, withKept } from './config-secrets.js';
import { FORWARDER_TYPE, type Forwarder, putForwarder, readForwarder } from './definition.js';
import { listForwarders } from './forwarders.js';
import { outgoingOf } from './match.js';
import { type SenderParts, senderOf } from './sender.js';
import { type ShownForwarder, showForwarder } from './show.js';
import type { FeedStatus } from './state.js';
import { runTrial } from './trial.js';
import { destinationCheck, type Fault, type ForwarderWish, readTime, withWish } from './wish.js';

export type ForwarderOutcome =
  | { readonly outcome: 'made' | 'changed'; readonly forwarder: ShownForwarder }
  | { readonly outcome: 'removed' }
  | { readonly outcome: 'tested'; readonly ok: boolean; readonly steps: readonly Step[] }
  | { readonly outcome: 'not_found' }
  /** 422, or 403 for what begins with `caller.` and for residency; `account` is the one that it is about. */
  | ({ readonly outcome: 'refused'; readonly account?: string } & Fault)
  | { readonly outcome: 'unavailable'; readonly message: string };

export type RequestMeta = { readonly requestId: string; readonly address: string };

export type ForwarderDeskDeps = SenderParts & {
  readonly directory: Pick<Directory, 'get' | 'list' | 'generation'>;
  readonly write: (caller: Caller, changes: readonly EntityChange[], meta: RequestMeta) => Promise<readonly EntityOutcome[]>;
  readonly append: (drafts: readonly EventDraft[]) => Promise<readonly Recorded[]>;
  /** How forwarders do, by their ids, at this moment. */
  readonly statuses: () => Promise<(id: string) => FeedStatus | undefined>;
  /** This node's name: it does the replays that are asked of it. */
  readonly node: string;
  /** The most forwarders there may be. */
  readonly most: number;
  readonly now?: () => number;
};

/** What callers may do with forwarders. `forwarder.manage` is checked before. */
export type ForwarderDesk = {
  readonly create: (caller: Caller, wish: ForwarderWish, meta: RequestMeta) => Promise<ForwarderOutcome>;
  /** All whose accounts are among the caller's, in order of id. */
  readonly list: (caller: Caller) => Promise<readonly ShownForwarder[]>;
  readonly get: (caller: Caller, id: string) => Promise<ShownForwarder | undefined>;
  readonly change: (caller: Caller, id: string, wish: Partial<ForwarderWish>, meta: RequestMeta) => Promise<ForwarderOutcome>;
  readonly remove: (caller: Caller, id: string, meta: RequestMeta) => Promise<ForwarderOutcome>;
  readonly pause: (caller: Caller, id: string, meta: RequestMeta) => Promise<ForwarderOutcome>;
  /** Goes on where it was paused, and tries again where it had stopped. */
  readonly resume: (caller: Caller, id: string, meta: RequestMeta) => Promise<ForwarderOutcome>;
  /** Sends what was recorded from `from` up to `to` (dates, the last one whole, or RFC 3339) again, beside the feed. */
  readonly replay: (caller: Caller, id: string, range: { readonly from: string; readonly to: string }, meta: RequestMeta) => Promise<ForwarderOutcome>;
  readonly test: (caller: Caller, id: string, meta: RequestMeta) => Promise<ForwarderOutcome>;
  /** Offers one event that its destination had refused again; a reason where it still refuses. Rejects where it can't be told now. */
  readonly again: (id: string, line: Buffer) => Promise<{ readonly refused?: string }>;
};

const MOST_REPLAYS = 10;
const MOST_BYTES = 24 * 1024;
const DAY_MS = 86_400_000;
const AGAIN_MS = 30_000;

const refuse = (code: string, message: string, account?: string): ForwarderOutcome & { readonly outcome: 'refused' } => ({
  outcome: 'refused',
  code,
  message,
  ...(account !== undefined && { account }),
});

const BUSY: ForwarderOutcome = { outcome: 'unavailable', message: 'The forwarder is being changed by others at this moment; try again.' };

type Standing = { readonly entity: Entity; readonly forwarder: Forwarder };

/** Makes, shows, changes and tries forwarders, each a directory entity of type `verdict.forwarder`. */
export const forwarderDesk = (deps: ForwarderDeskDeps): ForwarderDesk => {
  const now = deps.now ?? Date.now;
  const inTurn = oneByOne();
  const check = destinationCheck(deps.destinations);
  const residency: Residency = residencyOf(deps.directory);

  const show = async (id: string, forwarder: Forwarder): Promise<ShownForwarder> =>
    showForwarder(id, forwarder, (await deps.statuses())(id), deps.destinations);

  const find = (caller: Caller, id: string): Standing | undefined => {
    const entity = deps.directory.get(FORWARDER_TYPE, id);
    const forwarder = entity && readForwarder(entity);
    return forwarder && reachesAll(caller, forwarder.accounts) ? { entity, forwarder } : undefined;
  };

  const reachFault = (caller: Caller, accounts: Forwarder['accounts']): ForwarderOutcome | undefined => {
    if (reachesAll(caller, accounts)) return undefined;
    if (accounts === 'all') return refuse('caller.account', 'Only a credential for all accounts can forward the events of all accounts.');
    const account = accounts.find((one) => !reachesAll(caller, [one])) as string;
    return refuse('caller.account', `This credential can't forward the events of account ${account}: it has no access there.`, account);
  };

  const residencyFault = ({ accounts, region }: Forwarder): ForwarderOutcome | undefined => {
    const account = accounts === 'all' ? undefined : accounts.find((one) => !residency(one, region));
    if (account === undefined) return undefined;
    const where = region === undefined ? 'names no region' : `lies in ${region}`;
    return refuse(
      'forwarder.residency',
      `The events of account ${account} stay in the regions that its entity names; this destination ${where} ("region").`,
      account,
    );
  };

  /** Why a forwarder can't be so; undefined where it can. */
  const faultOf = (caller: Caller, id: string, forwarder: Forwarder): ForwarderOutcome | undefined => {
    const fault = reachFault(caller, forwarder.accounts) ?? residencyFault(forwarder);
    if (fault) return fault;
    if (Buffer.byteLength(JSON.stringify(forwarder)) > MOST_BYTES)
      return refuse('forwarder.too_large', `A forwarder has at most ${MOST_BYTES} bytes: name fewer accounts or actions, or give fewer certificates.`);
    try {
      void senderOf(deps, id, forwarder).close();
      return undefined;
    } catch (error) {
      return refuse(error instanceof SecretError ? error.code : 'forwarder.destination', (error as Error).message);
    }
  };

  /** The wish's destination, checked and sealed. Who changes where a forwarder sends could have its secrets sent to himself: then masks don't do. */
  const destinationOf = (
    id: string,
    wish: Partial<ForwarderWish>,
    before: Forwarder | undefined,
  ): Pick<Forwarder, 'destination' | 'format'> | ForwarderOutcome => {
    const { type, ...given } = wish.destination ?? before?.destination ?? {};
    const schema = deps.destinations.get(String(type))?.schema;
    const kept = before && before.destination.type === type ? configOf(before) : undefined;
    try {
      const plain = schema ? opened(deps.secrets, id, withKept(given, kept, schema), schema) : given;
      const checked = check({ ...plain, type: type ?? '' }, wish.format ?? (kept && before?.format));
      if (!checked.ok) return refuse(checked.code, checked.message);
      if (hasMask(given, checked.kind.schema) && !(kept && sameButSecrets(checked.config, kept, checked.kind.schema)))
        return refuse(
          'forwarder.secrets',
          `The destination changes, so its secrets must be given again: ${MASK} leaves them as they are only where nothing else does.`,
        );
      return { destination: { ...sealed(deps.secrets, id, checked.config, kept, checked.kind.schema), type: checked.kind.type }, format: checked.format };
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      return refuse(error.code, error.message);
    }
  };

  const writeOne = async (caller: Caller, change: EntityChange, meta: RequestMeta): Promise<EntityOutcome> => {
    const [outcome] = await deps.write(caller, [change], meta);
    return outcome ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' };
  };

  /** Changes a forwarder from what stands there, as often as it takes. `next` says what it becomes, or why it doesn't. */
  const change = async (
    caller: Caller,
    id: string,
    meta: RequestMeta,
    next: (forwarder: Forwarder) => Forwarder | ForwarderOutcome,
  ): Promise<ForwarderOutcome> => {
    const attempt = async (): Promise<ForwarderOutcome | undefined> => {
      const standing = find(caller, id);
      if (!standing) return { outcome: 'not_found' };
      const made = next(standing.forwarder);
      if ('outcome' in made) return made;
      const outcome = await writeOne(caller, putForwarder(id, made, standing.entity.version), meta);
      if (outcome.outcome === 'applied') return { outcome: 'changed', forwarder: await show(id, made) };
      if (outcome.outcome === 'account_mismatch') return refuse('forwarder.account', 'A forwarder stays with its account: remove it and make another.');
      return outcome.outcome === 'version_mismatch' ? undefined : notWritten(outcome);
    };
    return (await inTurn(id, attempt)) ?? BUSY;
  };

  const accountsOf = (caller: Caller, wish: ForwarderWish): Forwarder['accounts'] | undefined => {
    if (wish.accounts !== undefined) return wish.accounts;
    if (caller.accounts === 'all') return 'all';
    return caller.accounts.length === 1 ? caller.accounts : undefined;
  };

  const create: ForwarderDesk['create'] = async (caller, wish, meta) => {
    const accounts = accountsOf(caller, wish);
    if (accounts === undefined) return refuse('forwarder.accounts', 'This credential has several accounts: name those whose events are meant in "accounts".');
    if (listForwarders(deps.directory).length >= deps.most)
      return refuse('forwarder.limit', `There are ${deps.most} forwarders already (forwarders.max); remove one, or raise the limit.`);
    const since = wish.since === undefined ? now() : readTime(wish.since);
    if (since === undefined) return refuse('forwarder.since', '"since" must be a date or an RFC 3339 time.');
    const id = newUlid();
    const destination = destinationOf(id, wish, undefined);
    if ('outcome' in destination) return destination;
    const forwarder: Forwarder = {
      ...withWish({ name: wish.name, accounts, filter: {}, ...destination, since: '', paused: false, replays: [], created: '', created_by: caller.id }, wish),
      since: new Date(since).toISOString(),
      created: new Date(now()).toISOString(),
    };
    const fault = faultOf(caller, id, forwarder);
    if (fault) return fault;
    const outcome = await writeOne(caller, putForwarder(id, forwarder, 0), meta);
    return outcome.outcome === 'applied' ? { outcome: 'made', forwarder: await show(id, forwarder) } : notWritten(outcome);
  };

  const replayRange = ({ from, to }: { readonly from: string; readonly to: string }): { readonly from: number; readonly to: number } | ForwarderOutcome => {
    const [start, end] = [readTime(from), readTime(to)];
    if (start === undefined || end === undefined) return refuse('forwarder.range', '"from" and "to" must be dates or RFC 3339 times.');
    const last = Math.min(now(), to.length === 10 ? end + DAY_MS : end);
    return start < last ? { from: start, to: last } : refuse('forwarder.range', '"from" must lie before "to", and in the past.');
  };

  return {
    create,
    list: async (caller) => {
      const status = await deps.statuses();
      return listForwarders(deps.directory)
        .filter(({ forwarder }) => reachesAll(caller, forwarder.accounts))
        .map(({ entity, forwarder }) => showForwarder(entity.id, forwarder, status(entity.id), deps.destinations));
    },
    get: async (caller, id) => {
      const standing = find(caller, id);
      return standing && show(id, standing.forwarder);
    },
    change: (caller, id, wish, meta) =>
      change(caller, id, meta, (before) => {
        const destination = destinationOf(id, wish, before);
        if ('outcome' in destination) return destination;
        const next = { ...withWish(before, wish), ...destination };
        return faultOf(caller, id, next) ?? next;
      }),
    remove: async (caller, id, meta) => {
      const standing = find(caller, id);
      if (!standing) return { outcome: 'not_found' };
      const outcome = await writeOne(caller, { change: newUlid(), type: FORWARDER_TYPE, id, op: 'delete' }, meta);
      return outcome.outcome === 'deleted' ? { outcome: 'removed' } : notWritten(outcome);
    },
    pause: (caller, id, meta) => change(caller, id, meta, (before) => ({ ...before, paused: true })),
    resume: (caller, id, meta) =>
      change(caller, id, meta, (before) => {
        // What was sealed by an old key is sealed anew on this occasion.
        const destination = destinationOf(id, {}, before);
        return 'outcome' in destination ? destination : { ...before, ...destination, paused: false, resumed: new Date(now()).toISOString() };
      }),
    replay: (caller, id, range, meta) =>
      change(caller, id, meta, (before) => {
        const times = replayRange(range);
        if ('outcome' in times) return times;
        const [from, to] = [times.from, times.to].map((time) => new Date(time).toISOString()) as [string, string];
        const replay = { id: newUlid(), from, to, asked: new Date(now()).toISOString(), node: deps.node };
        return { ...before, replays: [...before.replays, replay].slice(-MOST_REPLAYS) };
      }),
    test: async (caller, id, meta) => {
      const standing = find(caller, id);
      if (!standing) return { outcome: 'not_found' };
      const fault = residencyFault(standing.forwarder);
      if (fault) return fault;
      try {
        const sender = senderOf(deps, id, standing.forwarder);
        const actor = { type: 'credential', id: caller.id, ip: meta.address };
        const steps = await runTrial(id, standing.forwarder, sender, { append: deps.append, actor, requestId: meta.requestId });
        return { outcome: 'tested', ok: steps.length > 0 && steps.every(({ ok }) => ok), steps };
      } catch (error) {
        if (error instanceof SecretError) return refuse(error.code, error.message);
        throw error;
      }
    },
    again: async (id, line) => {
      const entity = deps.directory.get(FORWARDER_TYPE, id);
      const forwarder = entity && readForwarder(entity);
      if (!forwarder) return { refused: `There is no forwarder ${id} any more.` };
      const event: Outgoing | undefined = outgoingOf(line.toString('utf8').trimEnd());
      if (!event) return { refused: 'It is no event.' };
      if (!residency(event.event.account, forwarder.region))
        return { refused: `The events of account ${event.event.account} may not go to this destination's region.` };
      const sender = senderOf(deps, id, forwarder);
      try {
        const sent = await sender.send([event], AbortSignal.timeout(AGAIN_MS));
        if (sent.outcome !== 'accepted') throw new Error(`The destination did not take it: ${sent.reason}`);
        const [refused] = sent.refused ?? [];
        return refused ? { refused: refused.reason } : {};
      } finally {
        await sender.close();
      }
    },
  };
};

const configOf = ({ destination: { type: _type, ...config } }: Forwarder): JsonObject => config;

const notWritten = (outcome: EntityOutcome): ForwarderOutcome => {
  if (outcome.outcome === 'not_found') return { outcome: 'not_found' };
  return outcome.outcome === 'unavailable' ? { outcome: 'unavailable', message: outcome.reason } : BUSY;
};
