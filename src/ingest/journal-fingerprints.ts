import type { JournalEnvironment } from './journal-env.js';
import type { Fingerprint, Recorded } from './journal-types.js';

type Known = Recorded & { readonly content: string };

const REMEMBER_MS = 48 * 3_600_000;
const FORGET_AT_ONCE = 5_000;

/** What producers' ids stood for in the last two days: those on disk, and those on their way to it. */
export const fingerprintMemory = (env: JournalEnvironment, now: () => number) => {
  const pending = new Map<string, Known>();

  return {
    /** Known from this moment, so that a retry beside the first one finds it. */
    note: (fingerprint: Fingerprint, recorded: Recorded): void => {
      pending.set(fingerprint.key, { ...recorded, content: fingerprint.content });
    },
    known: (key: string): Known | undefined => pending.get(key) ?? (env.fingerprints.get(key) as Known | undefined),
    /** Inside a transaction. */
    write: (fingerprint: Fingerprint, recorded: Recorded): void => {
      void env.fingerprints.put(fingerprint.key, { ...recorded, content: fingerprint.content });
      void env.fingerprintTimes.put([now(), fingerprint.key], '');
    },
    written: (fingerprint: Fingerprint): void => {
      pending.delete(fingerprint.key);
    },
    /** Forgets some of what is older than two days; resolves with whether more is left. */
    forgetOld: async (): Promise<boolean> => {
      const old = [...env.fingerprintTimes.getKeys({ end: [now() - REMEMBER_MS, ''], limit: FORGET_AT_ONCE, snapshot: false })];
      if (old.length === 0) return false;
      await env.root.batch(() => {
        for (const [time, key] of old) {
          void env.fingerprints.remove(key);
          void env.fingerprintTimes.remove([time, key]);
        }
      });
      return true;
    },
  };
};
