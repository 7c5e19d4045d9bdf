import { describe, expect, it } from 'vitest';
import type { LogRange } from '../event/index.js';
import { type Completeness, findGaps } from './gaps.js';

const now = { patience_ms: 0 };
const known = (parts: Partial<{ heads: [string, number][]; journals: [string, number][]; received: [string, number, number][] }>): Completeness => ({
  heads: async () => (parts.heads ?? []).map(([log, last]) => ({ log, last })),
  journals: async () => (parts.journals ?? []).map(([log, seq]) => ({ log, seq })),
  received: async () => (parts.received ?? []).map(([log, from, to]) => ({ log, from, to })),
});

describe('the gaps', () => {
  it('are none where every log has arrived up to its head', async () => {
    expect(
      await findGaps(
        known({
          heads: [['a', 9]],
          journals: [['a', 9]],
          received: [
            ['a', 1, 4],
            ['a', 5, 9],
          ],
        }),
        now,
      ),
    ).toEqual([]);
  });

  it('are holes, tails that the store was told of, tails that stand in a journal, and logs of which nothing has arrived', async () => {
    const found = await findGaps(
      known({
        heads: [
          ['hole', 9],
          ['lost', 7],
          ['none', 3],
        ],
        journals: [['waits', 5]],
        received: [
          ['hole', 1, 4],
          ['hole', 6, 9],
          ['lost', 1, 5],
          ['waits', 1, 2],
        ],
      }),
      now,
    );
    expect(found).toEqual([
      { log: 'waits', from: 3, to: 5 },
      { log: 'hole', from: 5, to: 5 },
      { log: 'lost', from: 6, to: 7 },
      { log: 'none', from: 1, to: 3 },
    ]);
  });

  it('are not what is only on its way when it is asked', async () => {
    let looks = 0;
    const arriving: Completeness = {
      ...known({ journals: [['a', 5]] }),
      received: async (): Promise<readonly LogRange[]> => {
        looks += 1;
        return [{ log: 'a', from: 1, to: looks < 3 ? 2 : 5 }];
      },
    };
    expect(await findGaps(arriving)).toEqual([]);
    expect(looks).toBe(3);
  });
});
