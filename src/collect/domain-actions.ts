import type { DomainEvent } from './virsh-event.js';

/** What a domain does, as far as the catalogue tells apart. */
export type DomainState = 'running' | 'paused' | 'off';

/** What is known of a domain. */
export type Known = {
  readonly state: DomainState;
  /** Whether libvirt keeps its definition when it is off; one that it doesn't keep is gone when it stops. */
  readonly persistent: boolean;
  /** The guest itself asked for the shutdown that is going on. */
  readonly leaving?: boolean;
};

/** What an event says: an action, how it ended, and what is known of the domain from now on (`gone`: nothing any more). */
export type Understood = {
  readonly action: string;
  readonly result: 'success' | 'failure';
  readonly next: Known | 'gone';
};

/** Events beside lifecycle's that are kept; the others tell of clocks, balloons and block jobs, many times a minute. */
const KEPT = new Set(['reboot', 'device-added', 'device-removed', 'device-removal-failed', 'watchdog', 'io-error', 'io-error-reason', 'control-error']);

const DEFINED: Readonly<Record<string, string>> = { Added: 'instance.create', Renamed: 'instance.rename' };
const STARTED: Readonly<Record<string, string>> = {
  Booted: 'instance.start',
  Restored: 'instance.start',
  Snapshot: 'instance.start',
  Migrated: 'instance.migrate',
};
const STOPPED: Readonly<Record<string, string>> = {
  Shutdown: 'instance.stop',
  Destroyed: 'instance.stop',
  Saved: 'instance.stop',
  Snapshot: 'instance.stop',
  Migrated: 'instance.migrate',
};

const NEW: Known = { state: 'off', persistent: false };

/** The name of what nobody asked for, or what can't be told from that: it stands outside the catalogue. */
const ownWord = (word: string): string => `libvirt.domain.${word.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_') || 'unknown'}`;

const done = (action: string, next: Known | 'gone'): Understood => ({ action, result: 'success', next });

const stopped = (why: string, known: Known, isNew: boolean): Understood => {
  const next: Known | 'gone' = known.persistent || isNew ? { state: 'off', persistent: known.persistent } : 'gone';
  const action = STOPPED[why];
  if (!action) return { action: ownWord('stopped'), result: 'failure', next };
  // A guest that switched itself off is no act of the platform.
  return done(why === 'Shutdown' && known.leaving ? ownWord('stopped') : action, next);
};

const lifecycle = (what: string, why: string, before: Known | undefined): Understood => {
  const known = before ?? NEW;
  const { state } = known;
  switch (what) {
    case 'Defined':
      return done(before && why === 'Added' ? 'instance.update' : (DEFINED[why] ?? 'instance.update'), { state, persistent: true });
    case 'Undefined':
      return done(why === 'Removed' ? 'instance.delete' : ownWord('undefined'), state === 'off' ? 'gone' : { state, persistent: false });
    case 'Started':
      return done(STARTED[why] ?? ownWord('started'), { ...known, state: 'running', leaving: false });
    case 'Suspended':
      return done(why === 'Paused' ? 'instance.suspend' : ownWord('suspended'), { ...known, state: 'paused' });
    case 'Resumed':
      // A start resumes the new domain too, before it is called started.
      return done(why === 'Unpaused' && state === 'paused' ? 'instance.resume' : ownWord('resumed'), { ...known, state: 'running' });
    case 'Stopped':
      return stopped(why, known, before === undefined);
    case 'Shutdown':
      return done(ownWord('shutdown'), { ...known, leaving: why === 'Finished after guest request' });
    case 'Crashed':
      return { action: ownWord('crashed'), result: 'failure', next: known };
    default:
      return done(ownWord(what), known);
  }
};

/**
 * What an event means in the catalogue's words, given what was known of the domain. What the guest does itself, and
 * what may be either, is called `libvirt.domain.…`. Undefined for events that aren't kept.
 */
export const understand = ({ event, what, why }: DomainEvent, before: Known | undefined): Understood | undefined => {
  if (event === 'lifecycle') return lifecycle(what, why, before);
  if (!KEPT.has(event)) return undefined;
  return { action: ownWord(event), result: event.includes('error') || event.includes('failed') ? 'failure' : 'success', next: before ?? NEW };
};

const MOVES: Readonly<Record<`${DomainState} ${DomainState}`, readonly string[]>> = {
  'off off': [],
  'off running': ['instance.start'],
  'off paused': ['instance.start', 'instance.suspend'],
  'running off': ['instance.stop'],
  'running running': [],
  'running paused': ['instance.suspend'],
  'paused off': ['instance.stop'],
  'paused running': ['instance.resume'],
  'paused paused': [],
};

type Seen = { readonly state: DomainState; readonly uuid: string; readonly persistent: boolean };

/** One action that no event told of, and the UUID of the domain that it concerns. */
export type Move = { readonly action: string; readonly uuid: string };

/** The actions that lead from what was known of a domain to what is listed now, as few as possible. A name that another domain has now was deleted and made anew. */
export const movesBetween = (before: Seen | undefined, after: Seen | undefined): readonly Move[] => {
  if (before && after && before.uuid !== '' && before.uuid !== after.uuid) return [...movesBetween(before, undefined), ...movesBetween(undefined, after)];
  const changes = MOVES[`${before?.state ?? 'off'} ${after?.state ?? 'off'}`];
  const made = !before && after?.persistent ? ['instance.create'] : [];
  const gone = before?.persistent && !after ? ['instance.delete'] : [];
  return [...made, ...changes, ...gone].map((action) => ({ action, uuid: (after ?? before)?.uuid ?? '' }));
};
