import { afterAll, beforeAll, describe } from 'vitest';
import { basicCore, basicProperties } from './basic.js';
import { batchCore, batchProperties } from './batch.js';
import { discovery } from './discovery.js';
import type { Pdp } from './pdp.js';
import { searchCore, searchProperties } from './search.js';
import { WORLD, type World } from './world.js';

export type Level = 'basic' | 'batch' | 'search' | 'discovery';

/** What is certified: a decision point of any make. */
export type Candidate = {
  readonly name: string;
  /** Brings the decision point up, or names one that is, with a policy and entities that make the world. */
  readonly start: () => Promise<Pdp & { readonly stop: () => Promise<void> }>;
  /** Where its names are not AuthZEN's own. */
  readonly world?: World;
  readonly levels?: readonly Level[];
  /** False where its policy looks at no properties of a question. */
  readonly properties?: boolean;
};

const LEVELS = {
  basic: { core: basicCore, properties: basicProperties },
  batch: { core: batchCore, properties: batchProperties },
  search: { core: searchCore, properties: searchProperties },
  discovery: { core: discovery },
} as const;

/** The certification of a decision point by AuthZEN 1.0, level by level, over its HTTPS binding and nothing else. */
export const certify = ({ name, start, world = WORLD, levels = ['basic', 'batch', 'search', 'discovery'], properties = true }: Candidate): void => {
  describe(`AuthZEN 1.0: ${name}`, () => {
    let running: Awaited<ReturnType<Candidate['start']>> | undefined;
    beforeAll(async () => {
      running = await start();
    });
    afterAll(async () => {
      await running?.stop();
    });
    const pdp = (): Pdp => running as Pdp;
    for (const level of levels) {
      const cases = LEVELS[level];
      cases.core(pdp, world);
      if (properties && 'properties' in cases) cases.properties(pdp, world);
    }
  });
};
