import type { PolicyConfig } from '../config.js';
import { PolicyError } from '../evaluate/index.js';
import { bundleFetcher, type FetchBundle, type Fetched, shownUrl } from './http-fetch.js';
import type { BundleSource, FollowDeps, Following } from './source.js';

export type HttpSourceDeps = {
  readonly fetchBundle?: FetchBundle;
  /** From 0 to below 1. */
  readonly random?: () => number;
};

type Pacing = Pick<PolicyConfig, 'poll_seconds' | 'poll_max_seconds' | 'long_poll_seconds'>;

/** The first pause after trouble, in milliseconds; it doubles up to policy.poll_max_seconds. */
const FIRST_PAUSE_MS = 1_000;
/** Even a server that holds requests is not asked more often than this, in milliseconds. */
const LEAST_PAUSE_MS = 100;

/**
 * How long to wait before the next request, in milliseconds. A server that held the last one needs no pause; one that
 * answers at once is polled, whatever it says of itself.
 */
export const pauseAfter = (
  last: { readonly outcome: Fetched['outcome']; readonly failures: number; readonly isHeld: boolean },
  { poll_seconds: least, poll_max_seconds: most }: Pacing,
  random: () => number,
): number => {
  if (last.outcome === 'failed') {
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(last.failures - 1, 20), most * 1000);
    return longest * (0.5 + random() / 2);
  }
  return last.isHeld ? LEAST_PAUSE_MS : (least + random() * (most - least)) * 1000;
};

/** A pause that can be cut short. */
const pauses = () => {
  let wake: () => void = () => undefined;
  return {
    wake: () => wake(),
    sleep: (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
};

const following = (first: string, config: Pacing, fetchBundle: FetchBundle, random: () => number, deps: FollowDeps): Following => {
  const pause = pauses();
  let etag = first;
  let isStopped = false;
  let isAskedFor = false;
  let failures = 0;
  let holds = true;
  let underWay = new AbortController();

  const take = async (fetched: Extract<Fetched, { outcome: 'bundle' }>): Promise<{ outcome: Fetched['outcome']; isHeld: boolean }> => {
    const isNew = fetched.etag !== '' && fetched.etag !== etag;
    holds = fetched.isLongPoll;
    try {
      await deps.offer(fetched);
      etag = fetched.etag;
      failures = 0;
      return { outcome: 'bundle', isHeld: holds && isNew && config.long_poll_seconds > 0 };
    } catch (error) {
      // It was not examined to the end (a full disk, say): it is asked for again.
      failures += 1;
      deps.trouble((error as Error).message);
      return { outcome: 'failed', isHeld: false };
    }
  };

  /** One request; the outcome, and whether the server held it or has something new to hold the next one for. */
  const ask = async (): Promise<{ outcome: Fetched['outcome']; isHeld: boolean }> => {
    underWay = new AbortController();
    const wait = etag !== '' && holds && !isAskedFor ? config.long_poll_seconds : 0;
    isAskedFor = false;
    const begun = performance.now();
    const fetched = await fetchBundle({ etag, wait, signal: underWay.signal });
    if (isStopped || (fetched.outcome === 'failed' && underWay.signal.aborted)) return { outcome: 'unchanged', isHeld: true };
    if (fetched.outcome === 'failed') {
      failures += 1;
      deps.trouble(fetched.message);
    }
    if (fetched.outcome === 'unchanged') {
      failures = 0;
      deps.seen();
    }
    if (fetched.outcome !== 'bundle') return { outcome: fetched.outcome, isHeld: wait > 0 && performance.now() - begun > (wait * 1000) / 2 };
    return take(fetched);
  };

  const run = async (): Promise<void> => {
    let next = 0;
    for (;;) {
      if (!isAskedFor) await pause.sleep(next);
      if (isStopped) return;
      next = pauseAfter({ ...(await ask()), failures }, config, random);
    }
  };
  void run();

  return {
    look: () => {
      isAskedFor = true;
      underWay.abort();
      pause.wake();
    },
    stop: () => {
      isStopped = true;
      underWay.abort();
      pause.wake();
    },
  };
};

/** Bundles from a server that speaks OPA's bundle protocol, or from any that serves files with ETags. */
export const httpSource = (config: PolicyConfig, { fetchBundle = bundleFetcher(config), random = Math.random }: HttpSourceDeps = {}): BundleSource => ({
  origin: shownUrl(config.bundle),
  read: async (etag, signal) => {
    const fetched = await fetchBundle({ etag, wait: 0, ...(signal && { signal }) });
    if (fetched.outcome === 'failed') throw new PolicyError(fetched.message);
    return fetched.outcome === 'bundle' ? fetched : undefined;
  },
  follow: (etag, deps) => following(etag, config, fetchBundle, random, deps),
});
