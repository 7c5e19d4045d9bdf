/** What the breaker is told of an attempt: whether the upstream answered at all, whatever it said. */
export type Breaker = {
  /** Whether a request may be tried now. While the breaker is open, one at a time is let through to see. */
  readonly allows: () => boolean;
  readonly answered: () => void;
  readonly failed: (reason: string) => void;
  /** The attempt ended for a reason that says nothing of the upstream (the client went away). */
  readonly ended: () => void;
  readonly state: () => { readonly open: false } | { readonly open: true; readonly reason: string };
  /** Milliseconds until the next attempt is let through; 0 where it is now. */
  readonly wait: () => number;
};

export type BreakerConfig = { readonly failures: number; readonly open_ms: number };

/**
 * Opens after so many attempts in a row to which the upstream didn't answer; then asks it again with one request every
 * `open_ms` until it does. One breaker a worker: what one of them finds out costs the others a few requests at most.
 */
export const createBreaker = (config: BreakerConfig, now: () => number = Date.now): Breaker => {
  let failures = 0;
  let reason = '';
  let until = 0;
  let isTrying = false;
  const isOpen = (): boolean => failures >= config.failures;

  return {
    allows: () => {
      if (!isOpen()) return true;
      if (isTrying || now() < until) return false;
      isTrying = true;
      return true;
    },
    answered: () => {
      failures = 0;
      isTrying = false;
    },
    failed: (why) => {
      failures += 1;
      reason = why;
      isTrying = false;
      if (isOpen()) until = now() + config.open_ms;
    },
    ended: () => {
      isTrying = false;
    },
    state: () => (isOpen() ? { open: true, reason } : { open: false }),
    wait: () => (isOpen() ? Math.max(0, until - now()) : 0),
  };
};
