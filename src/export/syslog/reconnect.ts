import { setTimeout as delay } from 'node:timers/promises';
import { again, type Failure, RETRY, retryPause } from '../../outbound/index.js';
import type { Connect, Connected } from './connect.js';
import type { Link } from './link.js';

export type Up<T> = { readonly ok: true; readonly up: T };
export type Down = { readonly ok: false; readonly failure: Failure };

export type KeeperDeps<T extends { readonly link: Link }> = {
  readonly connect: Connect;
  /** Makes a connection ready: handshake, and what is kept is sent again. */
  readonly prepare: (connected: Connected, signal: AbortSignal) => Promise<Up<T> | Down>;
  /** Whether something must reach the receiver though nothing new comes. */
  readonly isOwing: () => boolean;
  readonly onDown: () => void;
  readonly random: () => number;
};

/** Keeps one connection, made when it is needed. */
export type Keeper<T> = {
  /** The connection that stands, or a new one. Callers at the same time share the attempt. */
  readonly up: () => Promise<Up<T> | Down>;
  readonly current: () => T | undefined;
  readonly close: () => void;
};

const CLOSED = again('The sender was closed.');
const RULE = { ...RETRY, first_ms: 250, most_ms: 30_000 };

/**
 * After a break it connects anew by itself as long as something is owed: a feed may stand still for hours, and what was
 * lost with the receiver must not wait for the next event. Its pauses follow the rule of all ways out.
 */
export const newKeeper = <T extends { readonly link: Link }>(deps: KeeperDeps<T>): Keeper<T> => {
  const closed = new AbortController();
  let current: T | undefined;
  let attempt: Promise<Up<T> | Down> | undefined;
  let isRecovering = false;

  const recover = async (): Promise<void> => {
    if (isRecovering) return;
    isRecovering = true;
    for (let count = 1; deps.isOwing() && !current && !closed.signal.aborted; count += 1) {
      await delay(retryPause(count, undefined, RULE, deps.random), undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
      if (!closed.signal.aborted) await up();
    }
    isRecovering = false;
  };

  const begin = async (): Promise<Up<T> | Down> => {
    const connected = await deps.connect(closed.signal);
    if (!connected.ok) return { ok: false, failure: connected.failure };
    const prepared = await deps.prepare(connected, closed.signal);
    if (!prepared.ok) return prepared;
    if (closed.signal.aborted) prepared.up.link.give(CLOSED);
    current = prepared.up;
    void prepared.up.link.ended.then(() => {
      if (current === prepared.up) current = undefined;
      deps.onDown();
      void recover();
    });
    const failure = prepared.up.link.failure();
    return failure ? { ok: false, failure } : prepared;
  };

  const up = (): Promise<Up<T> | Down> => {
    if (closed.signal.aborted) return Promise.resolve({ ok: false, failure: CLOSED });
    if (current && !current.link.failure()) return Promise.resolve({ ok: true, up: current });
    attempt ??= begin().finally(() => {
      attempt = undefined;
    });
    return attempt;
  };

  return { up, current: () => current, close: () => closed.abort() };
};
