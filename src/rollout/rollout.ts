import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { PolicyError } from '../evaluate/index.js';
import type { EventDraft } from '../event/index.js';
import { type AdmissionRules, type Admitted, admit, digestOf, type Refused } from './admit.js';
import { activation, type RolloutPlace, refusal } from './events.js';
import { openKept } from './kept.js';
import { verificationKeys } from './keys.js';
import { rolloutMetrics } from './metrics.js';
import type { BundleSource, Following, Offer } from './source.js';

export type RolloutConfig = {
  readonly policy: Pick<Config['policy'], 'verification_keys' | 'require_signature'>;
  /** The folder of what is kept: the last good bundle, and the highest sequence. */
  readonly folder: string;
  readonly region: string;
};

export type RolloutDeps = {
  readonly log: Logger;
  readonly source: BundleSource;
  /** Rejects with PolicyError where the bundle doesn't load. */
  readonly load: (bytes: Buffer) => Promise<unknown>;
  /** Resolves when the event is durable; the same event may come twice. */
  readonly record: (draft: EventDraft) => Promise<void>;
  /** Gives the bundle to all who decide. */
  readonly activate: (bytes: Uint8Array) => void;
  readonly now?: () => number;
};

export type Rollout = {
  /** The bundle to begin with. Rejects with PolicyError, in one sentence, where there is none that may be used. */
  readonly first: () => Promise<Uint8Array>;
  /** From now on, new bundles are activated as they come, and what happened is recorded. */
  readonly follow: () => void;
  /** Looks at the source at once. */
  readonly look: () => void;
  readonly stop: () => void;
  readonly metrics: () => Promise<unknown>;
};

/** How long a start waits for the source where a last good bundle is at hand, in milliseconds. */
const HASTE_MS = 5_000;

/**
 * Brings bundles from their source into force, one after the other: each is checked, kept on disk with the event that
 * tells of it, and only then activated. What is refused is recorded once, and changes nothing.
 */
export const createRollout = (config: RolloutConfig, deps: RolloutDeps): Rollout => {
  const { log, source } = deps;
  const now = deps.now ?? Date.now;
  const place: RolloutPlace = { origin: source.origin, region: config.region, now };
  const metrics = rolloutMetrics();
  const keys = verificationKeys(config.policy.verification_keys);
  const rules: AdmissionRules = { keys, requireSignature: config.policy.require_signature ?? keys.length > 0, load: deps.load };
  const kept = openKept(config.folder);
  let offered: Promise<void> = Promise.resolve();
  let following: Following | undefined;
  let lastTrouble = '';
  /** What is offered and stays refused, as long as this process lives: another configuration may think otherwise. */
  let refusedNow = '';

  const flush = (drafts: readonly EventDraft[]): void => {
    for (const draft of drafts)
      void deps.record(draft).then(() => {
        const state = kept.state();
        kept.save({ ...state, unrecorded: state.unrecorded.filter(({ id }) => id !== draft.id) });
      }, untold);
  };
  const untold = (error: Error): void => log.error({ error: error.message }, 'what became of a policy bundle is not recorded yet');

  const succeeded = (): void => {
    lastTrouble = '';
    refusedNow = '';
    metrics.succeeded(now());
  };

  const trouble = (sentence: string): void => {
    metrics.failed();
    if (sentence !== lastTrouble) log.error({ error: sentence }, 'the policy bundle was not taken; the old one stays in force');
    lastTrouble = sentence;
  };

  /** Keeps a bundle for later starts, with the event of its activation where it is another one. */
  const keep = (bundle: Admitted, etag: string): void => {
    const state = kept.state();
    const { digest, revision, sequence } = bundle;
    const isOther = state.active?.revision !== revision;
    const event = isOther ? [activation(place, state.active?.revision, bundle)] : [];
    if (state.active?.digest !== digest) kept.keep(digest, bundle.bytes);
    kept.save({
      ...state,
      active: { origin: source.origin, revision, digest, etag, ...(sequence !== undefined && { sequence }) },
      ...(sequence !== undefined && { highest: { sequence, revision } }),
      unrecorded: [...state.unrecorded, ...event],
    });
    if (sequence !== undefined) metrics.highest(sequence);
    if (!isOther) return;
    metrics.activated();
    log.info({ from: state.active?.revision, to: revision, sequence, origin: source.origin }, 'another policy bundle is in force');
    if (following) flush(event);
  };

  const refuse = (refused: Refused): void => {
    const state = kept.state();
    refusedNow = refused.digest;
    if (state.refused === refused.digest) return;
    const event = refusal(place, state.active?.revision, refused);
    kept.save({ ...state, refused: refused.digest, unrecorded: [...state.unrecorded, event] });
    metrics.refused(refused.code);
    log.error({ reason: refused.code, error: refused.message, origin: source.origin }, 'the policy bundle was not taken; the old one stays in force');
    if (following) flush([event]);
  };

  const examine = async ({ bytes, etag }: Offer): Promise<void> => {
    const { active, highest } = kept.state();
    const digest = digestOf(bytes);
    if (digest === refusedNow) return;
    if (digest === active?.digest) {
      succeeded();
      if (active.etag !== etag) kept.save({ ...kept.state(), active: { ...active, etag } });
      return;
    }
    const result = await admit(bytes, rules, highest);
    if (result.outcome === 'refused') return refuse(result);
    keep(result, etag);
    succeeded();
    if (active?.revision !== result.revision) deps.activate(bytes);
  };

  /** The last good bundle from this source, if it may still be used. */
  const lastGood = async (): Promise<Admitted | undefined> => {
    const { active, highest } = kept.state();
    const bytes = active?.origin === source.origin ? kept.bundle() : undefined;
    if (!bytes || digestOf(bytes) !== active?.digest) return undefined;
    const result = await admit(bytes, rules, highest);
    return result.outcome === 'admitted' ? result : undefined;
  };

  const firstFrom = async (good: Admitted | undefined): Promise<Admitted> => {
    const known = good ? (kept.state().active?.etag ?? '') : '';
    const offer = await source.read(known, good && AbortSignal.timeout(HASTE_MS));
    if (!offer && good) return good;
    if (!offer) throw new PolicyError(`${source.origin} has no policy bundle.`);
    const result = await admit(offer.bytes, rules, kept.state().highest);
    if (result.outcome === 'refused') {
      refuse(result);
      throw new PolicyError(result.message);
    }
    keep(result, offer.etag);
    return result;
  };

  return {
    first: async () => {
      const { highest } = kept.state();
      if (highest) metrics.highest(highest.sequence);
      const good = await lastGood();
      try {
        const { bytes } = await firstFrom(good);
        succeeded();
        return bytes;
      } catch (error) {
        if (!good || !(error instanceof PolicyError)) throw error;
        trouble(error.message);
        log.warn({ revision: good.revision }, 'this node starts with the last good policy bundle');
        return good.bytes;
      }
    },
    follow: () => {
      following = source.follow(kept.state().active?.etag ?? '', {
        offer: (offer) => {
          offered = offered.catch(() => undefined).then(() => examine(offer));
          return offered;
        },
        seen: () => {
          if (refusedNow === '') succeeded();
        },
        trouble,
      });
      flush(kept.state().unrecorded);
    },
    look: () => following?.look(),
    stop: () => following?.stop(),
    metrics: () => metrics.registry.getMetricsAsJSON(),
  };
};
