import { type EventDraft, type JsonObject, SYSTEM_ACCOUNT, textWithoutSecrets, withoutSecrets } from '../event/index.js';
import type { CollectorState, Owner, Pending } from './collector-state.js';
import type { FindOwner } from './owners.js';
import { type Repeated, repeated } from './repeat.js';

export type PendingEventsConfig = {
  /** The source that the events name. */
  readonly source: string;
  /** How long the event of a domain that the directory doesn't know yet waits for it, in milliseconds. */
  readonly account_wait_ms: number;
};

export type PendingEventsDeps = {
  readonly state: Pick<CollectorState, 'pending' | 'recorded' | 'domain'>;
  readonly find: FindOwner;
  /** Puts an event into the journal, unless one of the same name `once` is there. Rejects where it takes none now. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
  readonly now: () => number;
};

const DRAIN_MS = 250;
const AT_ONCE = 100;

/** A domain's name as an event may show it. */
const shownName = (domain: string): string =>
  textWithoutSecrets(domain)
    .replaceAll(/\p{Cc}/gu, '\ufffd')
    .slice(0, 256);

/** Brings what was noticed into the journal: in order for each domain, each once, and with its account where that is known in time. */
export const pendingEvents = (
  config: PendingEventsConfig,
  { state, find, record, now }: PendingEventsDeps,
): Repeated & { readonly drain: () => Promise<void> } => {
  const ownerOf = (one: Pending, domain: string): Owner | undefined =>
    one.owner ?? find(domain, one.uuid || state.domain(domain)?.uuid) ?? state.domain(domain)?.owner;

  const ofDomain = (one: Pending, domain: string) => {
    const uuid = one.uuid || state.domain(domain)?.uuid;
    const owner = ownerOf(one, domain);
    // Its account may still become known: an instance is told of when its creation is answered, after its first start.
    if (owner?.account === undefined && now() - one.noticed < config.account_wait_ms) return undefined;
    const name = shownName(domain);
    return {
      account: owner?.account ?? SYSTEM_ACCOUNT,
      resource: { type: 'instance', id: owner?.instance ?? name, name },
      more: { ...(uuid && { uuid }), ...(owner ? {} : { unknown: true }) },
      ...(owner?.region !== undefined && { region: owner.region }),
    };
  };

  const draftOf = (one: Pending): EventDraft | undefined => {
    const about =
      one.domain === undefined ? { account: SYSTEM_ACCOUNT, resource: { type: 'collector', id: config.source }, more: {} } : ofDomain(one, one.domain);
    if (!about) return undefined;
    const { more, ...rest } = about;
    return {
      id: one.id,
      timestamp: new Date(one.time).toISOString(),
      kind: 'activity',
      actor: { type: 'service', id: config.source },
      action: one.action,
      result: one.result,
      source: config.source,
      details: { ...(withoutSecrets(one.details) as JsonObject), ...more },
      ...rest,
    };
  };

  /** What can be recorded now: what waits holds back what happened to the same domain later. */
  const recordable = (): readonly EventDraft[] => {
    const held = new Set<string>();
    return state.pending().flatMap((one) => {
      const draft = one.domain !== undefined && held.has(one.domain) ? undefined : draftOf(one);
      if (!draft) held.add(one.domain as string);
      return draft ? [draft] : [];
    });
  };

  const drain = async (): Promise<void> => {
    for (let drafts = recordable().slice(0, AT_ONCE); drafts.length > 0; drafts = recordable().slice(0, AT_ONCE)) {
      await Promise.all(drafts.map((draft) => record(draft, `${config.source}/${draft.id}`)));
      await state.recorded(drafts.map(({ id }) => id));
    }
  };

  const repeating = repeated(
    DRAIN_MS,
    drain,
    ({ message }) => `What the collector of ${config.source} noticed waits, since the journal does not take it: ${message}`,
  );
  return { ...repeating, drain };
};
