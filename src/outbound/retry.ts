/** How pauses grow. All in milliseconds. */
export type RetryRule = {
  readonly first_ms: number;
  readonly most_ms: number;
  /** The longest that somebody else's Retry-After is waited for. */
  readonly most_after_ms: number;
};

export const RETRY: RetryRule = { first_ms: 500, most_ms: 60_000, most_after_ms: 900_000 };

/**
 * The pause before try `attempt` + 1 (attempts count from 1), in milliseconds: exponential with full jitter, so that
 * many who failed together don't come again together. `after_ms` is what the other side asked for: never earlier, up
 * to the rule's bound.
 */
export const retryPause = (attempt: number, after_ms?: number, rule: RetryRule = RETRY, random: () => number = Math.random): number => {
  const ceiling = Math.min(rule.most_ms, rule.first_ms * 2 ** Math.min(attempt - 1, 30));
  const jitter = Math.round(random() * ceiling);
  if (after_ms === undefined) return jitter;
  // Everybody was told the same moment: a little later for each.
  return Math.min(Math.max(0, after_ms), rule.most_after_ms) + Math.round(random() * rule.first_ms);
};

/** A Retry-After header (RFC 9110, section 10.2.3: seconds, or a date) as milliseconds from `now`; undefined where it is neither. */
export const retryAfter = (header: string | undefined, now: number = Date.now()): number | undefined => {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
};
