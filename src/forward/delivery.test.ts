import { describe, expect, it } from 'vitest';
import type { Outgoing, Sent } from '../export/sender.js';
import { type DeliveryDeps, deliveryOf, FeedStopped } from './delivery.js';

const RULE = { first_ms: 1, most_ms: 2, most_after_ms: 50 };
const eventsOf = (count: number, bytes = 10): readonly Outgoing[] =>
  Array.from({ length: count }, (_, index) => ({ event: { id: `evt-${index}` } as Outgoing['event'], raw: 'x'.repeat(bytes), log: 'L', seq: index + 1 }));

const rig = (answers: readonly (Sent | Error | undefined)[], limits = { events: 10, bytes: 1_000 }) => {
  const batches: (readonly number[])[] = [];
  const told = { sent: 0, refused: [] as string[], waits: [] as (string | undefined)[] };
  const left = [...answers];
  const deps: DeliveryDeps = {
    sender: {
      limits,
      send: async (batch) => {
        batches.push(batch.map(({ seq }) => seq));
        const answer = left.shift() ?? { outcome: 'accepted' };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    onSent: (count) => {
      told.sent += count;
    },
    onRefused: async (refused) => void told.refused.push(...refused.map(({ event, reason }) => `${event.seq}: ${reason}`)),
    onWaiting: (waiting) => void told.waits.push(waiting?.reason),
    rule: RULE,
  };
  return { batches, told, deliver: deliveryOf(deps) };
};
const never = (): AbortSignal => new AbortController().signal;

describe('delivery', () => {
  it('hands over as much as the destination takes at once, in order, and never nothing', async () => {
    const many = rig([]);
    await many.deliver(eventsOf(25), never());
    expect(many.batches.map((batch) => batch.length)).toEqual([10, 10, 5]);
    expect(many.batches.flat()).toEqual(eventsOf(25).map(({ seq }) => seq));
    const large = rig([], { events: 10, bytes: 100 });
    await large.deliver(eventsOf(3, 500), never());
    expect(large.batches).toEqual([[1], [2], [3]]);
    expect([many.told.sent, large.told.sent]).toEqual([25, 3]);
  });

  it('tries again what was not taken, from the first that was not, and says why it waits', async () => {
    const { batches, told, deliver } = rig([{ outcome: 'again', reason: 'busy' }, { outcome: 'again', reason: 'half', from: 2 }, new Error('broken')]);
    await deliver(eventsOf(5), never());
    expect(batches).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
      [3, 4, 5],
      [3, 4, 5],
    ]);
    expect(told.sent).toBe(5);
    expect(told.waits).toEqual(['busy', 'half', 'The sender failed: broken', undefined]);
  });

  it('sets aside what is refused for its content, with the answer, and counts the rest as sent', async () => {
    const { told, deliver } = rig([
      { outcome: 'again', reason: 'half', from: 1 },
      {
        outcome: 'accepted',
        refused: [
          { index: 1, reason: 'no' },
          { index: 99, reason: 'beyond' },
        ],
      },
    ]);
    await deliver(eventsOf(4), never());
    expect(told.refused).toEqual(['3: no']);
    expect(told.sent).toBe(3);
  });

  it('ends with the reason where the destination refuses everything', async () => {
    const { batches, deliver } = rig([{ outcome: 'stopped', reason: '401' }]);
    await expect(deliver(eventsOf(30), never())).rejects.toThrow(FeedStopped);
    expect(batches).toHaveLength(1);
  });

  it('ends at once where it is told to, also while it waits', async () => {
    const stop = new AbortController();
    const { told, deliver } = rig([{ outcome: 'again', reason: 'later', after_ms: 60_000 }]);
    const slow = deliveryOf({
      ...{ sender: { limits: { events: 1, bytes: 1 }, send: async () => ({ outcome: 'again', reason: 'later', after_ms: 60_000 }) } },
      onSent: () => undefined,
      onRefused: async () => undefined,
      onWaiting: () => undefined,
    });
    const waiting = slow(eventsOf(1), stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow();
    await expect(deliver(eventsOf(1), stop.signal)).rejects.toThrow();
    expect(told.sent).toBe(0);
  });
});
