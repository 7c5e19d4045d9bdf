import { type EventDraft, type JsonObject, newEventId, textWithoutSecrets } from '../event/index.js';
import type { CollectorState, Pending, Tracked } from './collector-state.js';
import { type Difference, differences, trackedOf } from './comparison.js';
import { movesBetween, understand } from './domain-actions.js';
import type { FindOwner } from './owners.js';
import { pendingEvents } from './pending-events.js';
import type { Listed, Virsh, Watch } from './virsh.js';
import type { DomainEvent } from './virsh-event.js';

export type LibvirtCollectorConfig = {
  /** How its own events name what it watches. */
  readonly uri: string;
  /** Between two listings, in milliseconds: what no event told of is found then. */
  readonly reconcile_ms: number;
  /** How long the event of a domain that the directory doesn't know yet waits for it, in milliseconds. */
  readonly account_wait_ms: number;
};

export type LibvirtCollectorDeps = {
  readonly virsh: Virsh;
  readonly state: CollectorState;
  readonly find: FindOwner;
  /** Puts an event into the journal, unless one of the same name `once` is there. Rejects where it takes none now. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
  readonly warn: (sentence: string) => void;
  /** Told which process watches now, so that a crash leaves none behind. */
  readonly onProcess?: (pid: number | undefined) => void;
  readonly now?: () => number;
};

/** Something that runs beside the pipeline and records what it notices. */
export type Collector = {
  readonly name: string;
  readonly start: () => Promise<void>;
  /** Resolves when nothing of it runs any more and its state is on disk. */
  readonly stop: () => Promise<void>;
  /** What keeps it from noticing, as a sentence. */
  readonly trouble: () => string | undefined;
};

export const LIBVIRT = 'libvirt';
const FIRST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 15_000;
/** A difference counts when it is still there so long after it was first seen: an event of it may be on its way. */
const CONFIRM_MS = 1_000;

/** The time that no event is known of: since when (milliseconds since the epoch), and why. */
type Gap = { readonly from: number; readonly why: string };

/**
 * Watches libvirt's domains: each lifecycle event becomes an event with the source `libvirt`. It goes on after libvirtd
 * was away, and then says from when until when it may have missed something (`collector.gap`) and what the list of
 * domains tells of that time. What it notices is on its own disk before it moves on, and is recorded once.
 */
export const libvirtCollector = (config: LibvirtCollectorConfig, deps: LibvirtCollectorDeps): Collector => {
  const { virsh, state, find } = deps;
  const now = deps.now ?? Date.now;
  const uri = textWithoutSecrets(config.uri);
  let isStopping = false;
  let complaint: string | undefined = `The collector of ${uri} is starting.`;
  let watching: Watch | undefined;
  let wake: () => void = () => undefined;
  /** The listing that an event of a domain makes outdated: it counts the events. */
  const touched = new Map<string, number>();

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const noticed = (one: Omit<Pending, 'id' | 'noticed'>): Pending => ({ ...one, id: newEventId(), noticed: now() });

  // Writes are made one after the other, in the order in which they are asked for (LMDB's own queue).
  const writing = new Set<Promise<void>>();
  const write = (turn: Parameters<CollectorState['write']>[0]): Promise<void> => {
    const done = state.write(turn).catch((error: Error) => deps.warn(`The collector of ${uri} could not write its state: ${error.message}`));
    writing.add(done);
    return done.finally(() => writing.delete(done));
  };

  const onEvent = (event: DomainEvent): void => {
    const before = state.domain(event.domain);
    const understood = understand(event, before);
    if (!understood) return;
    touched.set(event.domain, (touched.get(event.domain) ?? 0) + 1);
    const { action, result, next } = understood;
    const details = { domain: event.domain, event: event.event, what: event.what, ...(event.why !== '' && { why: event.why }) };
    const uuid = before?.uuid ?? '';
    const owner = find(event.domain, uuid) ?? before?.owner;
    void write({
      add: [noticed({ time: event.time, domain: event.domain, uuid, ...(owner && { owner }), action, result, details })],
      domains: [[event.domain, next === 'gone' ? next : { ...before, ...next, uuid, ...(owner && { owner }) }]],
    });
  };

  /** What is only now known of domains that stand as they stood: their UUID, which no event tells, and whose they are. */
  const learn = async (listed: readonly Listed[]): Promise<void> => {
    const learned = listed.flatMap((one): (readonly [string, Tracked])[] => {
      const before = state.domain(one.name);
      if (!before || (before.uuid !== '' && (before.owner || before.uuid !== one.uuid))) return [];
      const owner = before.owner ?? find(one.name, one.uuid);
      return owner || before.uuid === '' ? [[one.name, { ...before, uuid: one.uuid, ...(owner && { owner }) }]] : [];
    });
    if (learned.length > 0) await write({ domains: learned });
  };

  /** What the list of domains tells that no event told: the same difference twice, and no event of that domain in between. */
  const confirmed = async (): Promise<readonly Difference[]> => {
    const listed = await virsh.list();
    await learn(listed);
    const open = differences(state.domains(), listed);
    if (open.length === 0) return [];
    const counts = new Map(open.map(({ name }) => [name, touched.get(name)]));
    await pause(CONFIRM_MS);
    const second = differences(state.domains(), await virsh.list());
    return second.filter(({ name }) => counts.has(name) && counts.get(name) === touched.get(name));
  };

  const inferred = ({ name, before, after }: Difference, details: JsonObject, time: number): readonly Pending[] => {
    const owner = find(name, (after ?? before)?.uuid) ?? before?.owner;
    return movesBetween(before, after).map(({ action, uuid }) =>
      noticed({ time, domain: name, uuid, ...(owner && { owner }), action, result: 'success', details: { domain: name, inferred: true, ...details } }),
    );
  };

  /** Compares and records; `gap` is the time that no event is known of. */
  const reconcile = async (gap?: Gap): Promise<void> => {
    const asked = now();
    const found = await confirmed();
    const isFirst = state.seen() === undefined;
    const to = now();
    const span = gap && { from: new Date(gap.from).toISOString(), to: new Date(to).toISOString() };
    const changes = isFirst ? [] : found.flatMap((one) => inferred(one, span ? { gap: span } : {}, to));
    const told = span
      ? [
          noticed({
            time: to,
            action: 'collector.gap',
            result: 'failure',
            details: { collector: LIBVIRT, uri, ...span, reason: gap.why, changes: changes.length },
          }),
        ]
      : [];
    await write({
      add: [...told, ...changes],
      domains: found.map(({ name, before, after }) => [name, after ? trackedOf(after, before) : 'gone']),
      seen: asked,
    });
    touched.clear();
  };

  /** One connection, from its first listing to its end; resolves with why it ended. `onSeen` is told of each listing, `onLasting` when nothing ended until the next. */
  const watch = async (gap: Gap | undefined, onSeen: () => void, onLasting: () => void): Promise<string> => {
    let ended: string | undefined;
    const isOver = (): boolean => ended !== undefined || isStopping;
    try {
      watching = virsh.watch(onEvent, (why) => {
        ended ??= why;
        wake();
      });
      deps.onProcess?.(watching.pid);
      for (let open = gap; !isOver(); open = undefined) {
        await reconcile(open);
        onSeen();
        if (!isOver()) await pause(config.reconcile_ms);
        if (!isOver()) onLasting();
      }
    } catch (error) {
      ended ??= (error as Error).message;
    }
    watching?.stop();
    watching = undefined;
    deps.onProcess?.(undefined);
    return ended ?? 'it was stopped';
  };

  const run = async (): Promise<void> => {
    let rest = FIRST_PAUSE_MS;
    // Why it was away from what it watches: the first reason since it was there.
    let reason: string | undefined = 'the collector was not running';
    const onSeen = (): void => {
      complaint = undefined;
      reason = undefined;
    };
    const onLasting = (): void => {
      rest = FIRST_PAUSE_MS;
    };
    while (!isStopping) {
      const from = state.seen();
      const why = await watch(from === undefined ? undefined : { from, why: reason ?? 'the connection was lost' }, onSeen, onLasting);
      if (isStopping) return;
      reason ??= why;
      complaint = `The collector can't watch libvirt at ${uri}: ${why}. It tries again by itself; what happens there meanwhile is compared afterwards.`;
      deps.warn(complaint);
      await pause(rest);
      rest = Math.min(rest * 2, MOST_PAUSE_MS);
    }
  };

  const recording = pendingEvents({ source: LIBVIRT, account_wait_ms: config.account_wait_ms }, { state, find, record: deps.record, now });
  let running: Promise<void> = Promise.resolve();

  return {
    name: `collector ${LIBVIRT}`,
    start: async () => {
      running = run();
      recording.start();
    },
    stop: async () => {
      isStopping = true;
      watching?.stop();
      wake();
      await running;
      await recording.stop();
      // What was noticed last; what the journal doesn't take now is recorded after the next start.
      await recording.drain().catch(() => undefined);
      await Promise.all(writing);
      await state.close();
    },
    trouble: () => complaint ?? recording.trouble(),
  };
};
