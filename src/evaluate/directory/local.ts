import { type Copy, openCopy } from './copy.js';
import type { CopyWriter } from './copy-env.js';
import { checkChanges } from './limits.js';
import { judge } from './state.js';
import type { Directory, EntityChange, EntityOutcome } from './types.js';

export type LocalDirectoryConfig = {
  /** The folder of the LMDB environment; made where it is missing. */
  readonly path: string;
};

/** What stands in `outcomes` under a change's own id: never an attempt's refusal. */
export const outcomeIn = (copy: Pick<Copy, 'outcome'> | CopyWriter, change: string): EntityOutcome | undefined => {
  const known = copy.outcome(change);
  return known?.outcome === 'refused' ? undefined : known;
};

/**
 * The directory of one node: an LMDB environment that all its processes open; whichever writes holds LMDB's lock.
 * `apply` throws EntityRefused, with nothing written, where a change can't be held; where the disk fails every outcome
 * is `unavailable`.
 */
export const localDirectory = ({ path }: LocalDirectoryConfig, deps: { readonly now?: () => number } = {}): Directory => {
  const now = deps.now ?? Date.now;
  const copy = openCopy(path, now);

  const applyOne = (writer: CopyWriter, change: EntityChange, time: string): EntityOutcome => {
    const first = outcomeIn(writer, change.change);
    if (first) return first;
    const { outcome, next } = judge(writer.state(change.type, change.id), change, time);
    if (next) writer.set(change.type, change.id, next);
    writer.remember(change.change, outcome);
    return outcome;
  };

  return {
    get: copy.get,
    list: copy.list,
    ofAccount: copy.ofAccount,
    grantedTo: copy.grantedTo,
    tokenOf: copy.tokenOf,
    isEmpty: copy.isEmpty,
    generation: copy.generation,
    staleness: () => 0,
    outcomeOf: (change) => outcomeIn(copy, change),
    close: copy.close,
    apply: async (changes) => {
      checkChanges(changes);
      if (changes.length === 0) return [];
      try {
        return await copy.transaction((writer) => {
          const time = new Date(now()).toISOString();
          const outcomes = changes.map((change) => applyOne(writer, change, time));
          if (outcomes.some(({ outcome }) => outcome === 'applied' || outcome === 'deleted')) {
            writer.bump();
            // What is written here is on no topic: a feed must not take this for a copy of one.
            writer.note('origin', '');
          }
          return outcomes;
        });
      } catch (error) {
        const reason = `The directory in ${path} could not be written: ${(error as Error).message}.`;
        return changes.map(() => ({ outcome: 'unavailable', reason }));
      }
    },
  };
};
