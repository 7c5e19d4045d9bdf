import { describe, expect, it } from 'vitest';
import { fleetStatus, mergeStatuses } from './fleet-status.js';
import type { FeedStatus } from './state.js';

const status = (change: Partial<FeedStatus> = {}): FeedStatus => ({
  state: 'running',
  sent: 10,
  refused: 1,
  withheld: 0,
  lag: { events: 5, seconds: 2 },
  replays: [],
  era: 'e1',
  at: '2026-11-23T00:00:00.000Z',
  ...change,
});
const merged = (...all: readonly FeedStatus[]) => mergeStatuses(all.map((one) => ({ status: one, isSilent: false })));

describe('how a forwarder does in a fleet', () => {
  it('is the sum of what its nodes count, and the worst of their states', () => {
    const all = [
      status({ last_success: '2026-11-23T00:00:02.000Z' }),
      status({ state: 'waiting', reason: 'It is away.', lag: { events: 7, seconds: 30 }, last_success: '2026-11-23T00:00:01.000Z' }),
    ];
    expect(merged(...all)).toMatchObject({
      state: 'waiting',
      reason: 'It is away.',
      sent: 20,
      refused: 2,
      lag: { events: 12, seconds: 30 },
      last_success: '2026-11-23T00:00:02.000Z',
    });
    expect(merged(...all, status({ state: 'stopped', reason: '401' }))).toMatchObject({ state: 'stopped', reason: '401' });
  });

  it('counts what a node sent that says nothing any more, but not how it did', () => {
    const gone = { status: status({ state: 'waiting', reason: 'x', lag: { events: 99, seconds: 99 } }), isSilent: true };
    expect(mergeStatuses([{ status: status(), isSilent: false }, gone])).toMatchObject({ state: 'running', sent: 20, lag: { events: 5, seconds: 2 } });
  });

  it('is of the definition as it is now', () => {
    const stale = status({ state: 'stopped', reason: '401', era: 'e0' });
    expect(merged(stale, status({ at: '2026-11-23T00:00:05.000Z' }))).toMatchObject({ state: 'running', sent: 20 });
  });

  it('is what this node knows by itself, while the store is away', async () => {
    const local = (id: string) => (id === 'f' ? status() : undefined);
    const away = fleetStatus({ local, node: 'n1', told: () => Promise.reject(new Error('away')) });
    expect((await away())('f')).toMatchObject({ sent: 10 });
    expect((await away())('g')).toBeUndefined();
    const rows = [
      { forwarder: 'f', node: 'n1', status: JSON.stringify(status({ sent: 3 })), at: 1_000 },
      { forwarder: 'f', node: 'n2', status: JSON.stringify(status({ sent: 4 })), at: 1_000 },
    ];
    const told = fleetStatus({ local, node: 'n1', told: async () => rows, now: () => 2_000 });
    expect((await told())('f')).toMatchObject({ sent: 14 });
  });
});
