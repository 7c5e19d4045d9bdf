import type { Decision, Json, Question } from './types.js';

export type CacheConfig = {
  /** How long an answer may be given again, in milliseconds; at most a minute. */
  readonly ttlMs: number;
  /** The most answers that are kept; 1,000 unless told. */
  readonly maxEntries?: number;
};

export type Cache = {
  readonly get: (key: string) => Decision | undefined;
  /** Takes an answer in, as `see` does, and keeps it. */
  readonly put: (key: string, decision: Decision) => void;
  /** Told of an answer that isn't kept: one by another revision drops everything that was answered before. */
  readonly see: (decision: Decision) => void;
};

const MOST_TTL_MS = 60_000;
const MOST_ENTRIES = 1_000;

/** JSON with the members of each object in order, so that the same question has the same text. */
const ordered = (value: Json | undefined): string => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(ordered).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, child]) => child !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, child]) => `${JSON.stringify(name)}:${ordered(child)}`).join(',')}}`;
};

/** What Verdict is asked: a question in the form in which it is sent, where dates are texts, and maps nothing. */
export const keyOf = (question: Question): string => ordered(JSON.parse(JSON.stringify(question)) as Json);

/** Answers for a short time, by one revision of the policy. `now` is a clock in milliseconds that only goes on. */
export const createCache = ({ ttlMs, maxEntries = MOST_ENTRIES }: CacheConfig, now: () => number = () => performance.now()): Cache => {
  if (!(ttlMs > 0 && ttlMs <= MOST_TTL_MS)) throw new RangeError(`cache.ttlMs is ${ttlMs}, and must be over 0 and at most ${MOST_TTL_MS} milliseconds.`);
  const entries = new Map<string, { readonly decision: Decision; readonly until: number }>();
  let revision: string | undefined;
  const see = ({ policy }: Decision): void => {
    if (policy === undefined) return;
    if (policy !== revision) entries.clear();
    revision = policy;
  };
  return {
    see,
    get: (key) => {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (entry.until > now()) return { ...entry.decision, cached: true };
      entries.delete(key);
      return undefined;
    },
    put: (key, decision) => {
      if (decision.policy === undefined) return;
      see(decision);
      entries.delete(key);
      entries.set(key, { decision, until: now() + ttlMs });
      const [oldest] = entries.keys();
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
    },
  };
};
