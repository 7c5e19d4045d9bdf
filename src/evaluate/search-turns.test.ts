import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { searchTurns } from './search-turns.js';

const spend = (until: number): void => {
  while (performance.now() < until);
};

describe('Turns of searches', () => {
  it('come in the order in which they are asked for, and end however the work ends', async () => {
    const turn = searchTurns({ turnMs: 1, deferMs: 0 });
    const order: number[] = [];
    const failing = turn(() => {
      order.push(0);
      throw new Error('It failed.');
    });
    const others = [1, 2, 3].map((name) => turn(() => order.push(name)));
    await expect(failing).rejects.toThrow('It failed.');
    await Promise.all(others);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it('share the time of one round of the event loop: short ones come in the same one, long ones in one each', async () => {
    let rounds = 0;
    let isRunning = true;
    const counting = (async () => {
      for (; isRunning; rounds++) await nextTurn();
    })();
    const roundsOf = async (work: (until: number) => void, times: number): Promise<number> => {
      const turn = searchTurns({ turnMs: 2, deferMs: 0 });
      const before = rounds;
      await Promise.all(Array.from({ length: times }, () => turn(work)));
      return rounds - before;
    };
    expect(await roundsOf(() => undefined, 20)).toBeLessThan(5);
    expect(await roundsOf(spend, 20)).toBeGreaterThanOrEqual(19);
    isRunning = false;
    await counting;
  });

  it('wait while decisions are under way, but not for ever', async () => {
    let isBusy = true;
    const turn = searchTurns({ turnMs: 1, deferMs: 60_000 }, () => isBusy);
    let isDone = false;
    await turn(spend);
    const next = turn(spend).then(() => {
      isDone = true;
    });
    await new Promise((done) => setTimeout(done, 20));
    expect(isDone).toBe(false);
    isBusy = false;
    await next;

    const impatient = searchTurns({ turnMs: 1, deferMs: 5 }, () => true);
    await impatient(spend);
    await impatient(spend);
  });
});
