import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { type EmbeddedStore, startEmbeddedStore } from '../store/index.js';
import { StartError } from './data-folder.js';
import type { PartStatus, StoreAddress } from './messages.js';

export type KeepStoreDeps = {
  readonly log: Logger;
  /** Told when the store has another process, or none. */
  readonly onProcess: () => void;
  readonly onStatus: (part: PartStatus) => void;
};

const RETRY_MS = 1_000;

/**
 * The embedded store where the configuration names no other: started, and started again on the same address whenever
 * its process ends. With a configured address there is nothing to keep.
 */
export const keepStore = (config: Config, deps: KeepStoreDeps) => {
  let store: EmbeddedStore | undefined;
  let isStopping = false;

  const launch = (again?: EmbeddedStore) =>
    startEmbeddedStore({ dataDir: config.data_dir, ...(again && { port: again.port, password: again.password }) }, { log: deps.log });

  const watch = (running: EmbeddedStore): void => {
    store = running;
    deps.onProcess();
    deps.onStatus({ name: 'embedded store', ok: true });
    void running.exited.then((exit) => {
      if (isStopping) return;
      deps.log.warn(exit, 'the embedded store ended; it is started again');
      deps.onStatus({ name: 'embedded store', ok: false, message: 'The embedded store ended and is being started again.' });
      void revive(running);
    });
  };

  const revive = async (gone: EmbeddedStore): Promise<void> => {
    while (!isStopping)
      try {
        const running = await launch(gone);
        if (isStopping) return running.stop();
        return watch(running);
      } catch (error) {
        deps.onStatus({ name: 'embedded store', ok: false, message: (error as Error).message });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
  };

  return {
    /** Resolves with where the store is. Rejects with {@link StartError}. */
    start: async (): Promise<StoreAddress> => {
      const { url, username, password } = config.clickhouse;
      if (url !== '') return { url, username, password };
      try {
        watch(await launch());
      } catch (error) {
        throw new StartError((error as Error).message);
      }
      const { url: own, username: user, password: secret } = store as EmbeddedStore;
      return { url: own, username: user, password: secret };
    },
    pid: (): number | undefined => store?.pid,
    stop: async (): Promise<void> => {
      isStopping = true;
      await store?.stop();
    },
  };
};
