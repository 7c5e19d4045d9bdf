import { setTimeout as delay } from 'node:timers/promises';
import { again, type HttpClient, type HttpRequest } from '../../outbound/index.js';
import { acknowledgedIn, judgeHec } from './splunk-answers.js';
import type { Verdict } from './verdict.js';

/** A request that Splunk has received but not yet indexed; `index` is that of its first event. */
export type Awaited = { readonly ackId: number; readonly index: number };

export type AckRules = { readonly poll_ms: number; readonly wait_ms: number };

/**
 * Asks until all are acknowledged. Otherwise, again from the first that isn't: after `wait_ms`, or where Splunk fails.
 * A sender that is told to stop says so as again, too.
 */
export const awaitAcks = async (
  awaited: readonly Awaited[],
  client: HttpClient,
  request: (ids: readonly number[]) => HttpRequest,
  rules: AckRules & { readonly now: () => number; readonly secrets: readonly string[] },
  signal: AbortSignal,
): Promise<Verdict> => {
  const { now } = rules;
  const until = now() + rules.wait_ms;
  let open = awaited;
  const failed = (reason: string, after_ms?: number): Verdict => ({
    meaning: 'again',
    reason,
    from: Math.min(...open.map(({ index }) => index)),
    ...(after_ms !== undefined && { after_ms }),
  });

  while (open.length > 0) {
    const heard = await client.ask(request(open.map(({ ackId }) => ackId)), signal);
    if (!heard.ok) return heard.failure.outcome === 'stopped' ? { meaning: 'stopped', reason: heard.failure.reason } : failed(heard.failure.reason);
    const done = acknowledgedIn(heard.answer);
    if (!done) {
      const verdict = judgeHec(heard.answer, { now: now(), secrets: rules.secrets });
      if (verdict.meaning === 'stopped') return verdict;
      return failed(
        'reason' in verdict ? verdict.reason : 'Splunk did not answer which events are indexed.',
        'after_ms' in verdict ? verdict.after_ms : undefined,
      );
    }
    open = open.filter(({ ackId }) => !done.has(ackId));
    if (open.length === 0) break;
    if (now() >= until) return failed(`Splunk received the events but did not acknowledge within ${rules.wait_ms / 1000} s that they are indexed.`);
    await delay(rules.poll_ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return failed(again('It was told to stop.').reason);
  }
  return { meaning: 'accepted' };
};
