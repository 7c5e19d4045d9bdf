import type { Answer } from '../../outbound/index.js';
import { jsonOf, type Meaning, type Statuses, type Verdict, verdictOf } from './verdict.js';

/** What the HTTP Event Collector answers: its own code says more than the status ("Troubleshoot HTTP Event Collector", possible error codes). */
type HecAnswer = { readonly text?: string; readonly code?: number; readonly ackId?: number; readonly 'invalid-event-number'?: number };

type Code = { readonly meaning: Meaning; readonly advice?: string };
const CODES: { readonly [code: number]: Code } = {
  0: { meaning: 'accepted' },
  1: { meaning: 'stopped', advice: 'The token is disabled: enable it in Splunk.' },
  2: { meaning: 'stopped', advice: 'Give the token.' },
  3: { meaning: 'stopped', advice: 'The token is not written as a token is.' },
  4: { meaning: 'stopped', advice: 'Splunk does not know the token: check it, and that the url is of the right Splunk.' },
  5: { meaning: 'stopped' },
  6: { meaning: 'refused' },
  7: { meaning: 'stopped', advice: 'The token may not write to that index: allow it in Splunk, or give another in index.' },
  8: { meaning: 'again' },
  9: { meaning: 'again' },
  10: { meaning: 'stopped' },
  11: { meaning: 'stopped' },
  12: { meaning: 'refused' },
  13: { meaning: 'refused' },
  14: { meaning: 'stopped', advice: 'The token has no indexer acknowledgement: enable it in Splunk, or set acknowledgement to off.' },
  15: { meaning: 'refused' },
  16: { meaning: 'stopped' },
  18: { meaning: 'again' },
  19: { meaning: 'again' },
  20: { meaning: 'again' },
  21: { meaning: 'stopped', advice: 'Splunk does not know the token.' },
  22: { meaning: 'stopped', advice: 'The token is disabled: enable it in Splunk.' },
};

/** For an answer that isn't HEC's own: of a proxy or a load balancer before it. */
const STATUSES: Statuses = {
  200: 'accepted',
  400: 'refused',
  401: 'stopped',
  403: 'stopped',
  404: 'stopped',
  408: 'again',
  413: 'large',
  429: 'again',
  500: 'again',
  503: 'again',
};

export type HecVerdict = Verdict & {
  /** The events are received and will be acknowledged under this number. */ readonly ackId?: number /** The first event that is at fault. */;
  readonly at?: number;
};

/** What an answer to a request with events means. */
export const judgeHec = (answer: Answer, options: { readonly now: number; readonly secrets: readonly string[] }): HecVerdict => {
  const { code, ackId, 'invalid-event-number': at } = (jsonOf(answer) ?? {}) as HecAnswer;
  const known = code === undefined ? undefined : CODES[code];
  const statuses = known ? { ...STATUSES, [answer.status]: known.meaning } : STATUSES;
  const verdict = verdictOf('Splunk', statuses, answer, { ...options, ...(known?.advice !== undefined && { advice: { [answer.status]: known.advice } }) });
  if (verdict.meaning === 'accepted') return Number.isSafeInteger(ackId) ? { ...verdict, ackId: ackId as number } : verdict;
  return verdict.meaning === 'refused' && Number.isSafeInteger(at) ? { ...verdict, at: at as number } : verdict;
};

/** Which of the numbers asked for are acknowledged; undefined where the answer doesn't say. */
export const acknowledgedIn = (answer: Answer): ReadonlySet<number> | undefined => {
  const { acks } = (jsonOf(answer) ?? {}) as { readonly acks?: { readonly [id: string]: boolean } };
  if (answer.status !== 200 || typeof acks !== 'object' || acks === null) return undefined;
  return new Set(Object.entries(acks).flatMap(([id, isIn]) => (isIn === true ? [Number(id)] : [])));
};
