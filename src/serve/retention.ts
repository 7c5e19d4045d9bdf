import type { Directory } from '../evaluate/index.js';
import { retentionDays, STANDARD_DAYS } from '../store/index.js';

export type RetentionDeps = {
  readonly directory: Pick<Directory, 'list' | 'generation'>;
  /** False while this node's copy of the directory can't be trusted: then nothing is concluded from what it lacks. */
  readonly isCopyFresh: () => boolean;
  /** Accounts with other than the standard days; resolves when older events carry their new date too. */
  readonly reconcile: (wanted: ReadonlyMap<string, number>) => Promise<unknown>;
  readonly warn: (error: string) => void;
};

const LOOK_MS = 2_000;
const PAGE = 1_000;

/** Accounts that are kept for other than the standard time, as the directory says. */
const wantedOf = (directory: RetentionDeps['directory']): ReadonlyMap<string, number> => {
  const wanted = new Map<string, number>();
  for (let after: string | undefined; ; ) {
    const page = directory.list('account', { limit: PAGE, ...(after !== undefined && { after }) });
    for (const { id, properties } of page) {
      const days = retentionDays(properties);
      if (days !== STANDARD_DAYS) wanted.set(id, days);
    }
    if (page.length < PAGE) return wanted;
    after = page.at(-1)?.id;
  }
};

/** Tells the store how long each account's events are kept, whenever the directory has changed. */
export const followRetention = (deps: RetentionDeps) => {
  let applied: number | undefined;
  let isLooking = false;
  let timer: NodeJS.Timeout | undefined;

  const look = async (): Promise<void> => {
    const generation = deps.directory.generation();
    if (generation === applied || !deps.isCopyFresh()) return;
    try {
      await deps.reconcile(wantedOf(deps.directory));
      applied = generation;
    } catch (error) {
      deps.warn((error as Error).message);
    }
  };

  return {
    start: (): void => {
      timer = setInterval(() => {
        if (isLooking) return;
        isLooking = true;
        void look().finally(() => {
          isLooking = false;
        });
      }, LOOK_MS).unref();
    },
    stop: (): void => clearInterval(timer),
  };
};
