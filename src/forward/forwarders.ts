import type { Directory, Entity } from '../evaluate/directory/types.js';
import type { Stream } from '../ingest/index.js';
import { eraOf, FORWARDER_TYPE, type Forwarder, readForwarder } from './definition.js';
import { consumerName, createFeed, type Feed, type FeedDeps } from './feed.js';
import type { FeedStatus } from './state.js';

export type ForwardersDeps = Omit<FeedDeps, 'stream'> & {
  readonly stream: Pick<Stream, 'consumer' | 'forget'>;
  readonly directory: Pick<Directory, 'list' | 'generation'>;
  /** False while this node's copy of the directory can't be trusted: then nothing is concluded from what it lacks. */
  readonly isCopyFresh: () => boolean;
  /** Tells the rest of a fleet how this node's forwarders do; absent where there is no rest. */
  readonly publish?: (rows: readonly { readonly forwarder: string; readonly status: string }[]) => Promise<void>;
  readonly warn: (sentence: string) => void;
};

/** All forwarders of this node at work. */
export type Forwarders = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly statuses: () => readonly { readonly id: string; readonly name: string; readonly status: FeedStatus }[];
};

const LOOK_MS = 1_000;
/** Numbers that alone have changed are written down less often. */
const QUIET_MS = 5_000;
const PAGE = 500;

/** Every forwarder that the directory has. */
export const listForwarders = (directory: Pick<Directory, 'list'>): readonly { readonly entity: Entity; readonly forwarder: Forwarder }[] => {
  const found: { readonly entity: Entity; readonly forwarder: Forwarder }[] = [];
  for (let after: string | undefined; ; ) {
    const page = directory.list(FORWARDER_TYPE, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const entity of page) {
      const forwarder = readForwarder(entity);
      if (forwarder) found.push({ entity, forwarder });
    }
    if (page.length < PAGE) return found;
    after = page.at(-1)?.id;
  }
};

type Standing = { readonly name: string; readonly feed: Feed; saved: string; savedAt: number };

/** What of a status is written down at once when it changes. */
const weightOf = ({ at: _at, lag: _lag, sent: _sent, last_success: _success, ...rest }: FeedStatus): string => JSON.stringify(rest);

/** Follows the directory: starts, changes and ends feeds as it says, and writes down how they do. */
export const runForwarders = (deps: ForwardersDeps): Forwarders => {
  const feeds = new Map<string, Standing>();
  let generation = -1;
  let known: ReturnType<typeof listForwarders> = [];
  let looking: Promise<void> = Promise.resolve();
  let isLooking = false;
  let publishing: Promise<void> = Promise.resolve();
  let publishedAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let isStopping = false;

  const begin = async (id: string, forwarder: Forwarder): Promise<void> => {
    const feed = createFeed(id, forwarder, deps);
    feeds.set(id, { name: forwarder.name, feed, saved: '', savedAt: 0 });
    await feed.start();
  };

  const end = async (id: string, { feed }: Standing): Promise<void> => {
    feeds.delete(id);
    await feed.stop();
  };

  const remove = async (id: string): Promise<void> => {
    const standing = feeds.get(id);
    if (standing) await end(id, standing);
    await deps.stream.forget(consumerName(id));
    await deps.state.forget(id);
  };

  const reconcile = async (): Promise<void> => {
    const now = deps.directory.generation();
    if (now !== generation && deps.isCopyFresh()) {
      known = listForwarders(deps.directory);
      generation = now;
    }
    if (generation === -1) return;
    const wanted = new Map(known.map(({ entity, forwarder }) => [entity.id, forwarder]));
    for (const id of new Set([...feeds.keys(), ...deps.state.ids()])) if (!wanted.has(id)) await remove(id);
    for (const [id, forwarder] of wanted) {
      if (isStopping) return;
      const standing = feeds.get(id);
      if (standing && standing.feed.era === eraOf(forwarder) && standing.feed.paused === forwarder.paused) continue;
      if (standing) await end(id, standing);
      await begin(id, forwarder);
    }
    for (const [id, forwarder] of wanted) feeds.get(id)?.feed.replay(forwarder.replays);
  };

  const writeDown = async (): Promise<void> => {
    const now = Date.now();
    await Promise.all(
      [...feeds].map(async ([id, standing]) => {
        const status = standing.feed.status();
        const weight = weightOf(status);
        if (weight === standing.saved && now - standing.savedAt < QUIET_MS) return;
        standing.saved = weight;
        standing.savedAt = now;
        await deps.state.saveStatus(id, status);
      }),
    );
  };

  /** Not waited for: the store may be away. */
  const publish = (): void => {
    const now = Date.now();
    if (!deps.publish || now - publishedAt < QUIET_MS) return;
    publishedAt = now;
    const rows = [...feeds].map(([forwarder, { feed }]) => ({ forwarder, status: JSON.stringify(feed.status()) }));
    publishing = publishing.then(() => deps.publish?.(rows)).catch(() => undefined);
  };

  const look = async (): Promise<void> => {
    if (isStopping || isLooking) return;
    isLooking = true;
    try {
      await reconcile();
      await writeDown();
      publish();
    } catch (error) {
      deps.warn((error as Error).message);
    }
    isLooking = false;
  };

  return {
    start: async () => {
      looking = look();
      await looking;
      timer = setInterval(() => {
        if (!isLooking) looking = look();
      }, LOOK_MS);
    },
    stop: async () => {
      isStopping = true;
      clearInterval(timer);
      await looking;
      await Promise.all([...feeds].map(([id, standing]) => end(id, standing)));
      await publishing;
    },
    statuses: () => [...feeds].map(([id, { name, feed }]) => ({ id, name, status: feed.status() })),
  };
};
