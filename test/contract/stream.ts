import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Event, fromLine } from '../../src/event/index.js';
import type { Batch, Consumer, Handler, Missed, Stream } from '../../src/ingest/stream.js';

/** A stream's surroundings, made for one case: somewhere to write, and what outlives a stop or a crash. */
export type StreamHarness = {
  /** Opens a stream on what earlier lives left; one that is still open is closed first. */
  readonly open: () => Promise<Stream>;
  /** Ends the stream as a power cut would: it saves nothing and leaves nothing in order. */
  readonly crash: () => Promise<void>;
  /** Writes one event for each entry, in order, in one go; resolves when the stream will carry them. `details.note` holds the note. */
  readonly write: (events: readonly { readonly account: string; readonly note: string }[]) => Promise<void>;
  /** Has the stream let go of everything that was written so far, as retention or a store that has it all does. */
  readonly letGo: () => Promise<void>;
  /** Ends everything. */
  readonly close: () => Promise<void>;
};

const LIMITS = { bytes: 1 << 20, age_ms: 50 };
const PATIENCE_MS = 20_000;

export const eventsOf = (batch: Batch): readonly Event[] =>
  batch.flatMap(({ lines }) =>
    lines
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map(fromLine),
  );

/** The notes of the events that a test wrote; a stream may carry others, such as a log's opening. */
const notesOf = (batch: Batch): readonly string[] => eventsOf(batch).flatMap(({ details }) => (typeof details?.['note'] === 'string' ? [details['note']] : []));

const bytesOf = (batch: Batch): string => batch.map(({ lines }) => lines.toString('latin1')).join('');

export const until = async (isSo: () => boolean, what: string): Promise<void> => {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}.`);
    await delay(10);
  }
};

const numbered = (account: string, count: number, from = 0) => Array.from({ length: count }, (_, index) => ({ account, note: `${account}/${from + index}` }));

/** The cases that every {@link Stream} must pass. */
export const streamContract = (name: string, makeHarness: () => Promise<StreamHarness>): void => {
  describe(`${name} as a stream`, { timeout: 60_000 }, () => {
    let harness: StreamHarness;
    beforeEach(async () => {
      harness = await makeHarness();
    }, 60_000);
    afterEach(() => harness.close(), 60_000);

    /** Starts a consumer that keeps the notes of what it handled. */
    const consume = async (stream: Stream, consumer = 'store', limits = LIMITS) => {
      const notes: string[] = [];
      const events: Event[] = [];
      const started = stream.consumer(consumer, limits, async (batch) => {
        notes.push(...notesOf(batch));
        events.push(...eventsOf(batch));
      });
      await started.start();
      return { notes, events, consumer: started };
    };

    const start = async (stream: Stream, handle: Handler, consumer = 'store', limits = LIMITS): Promise<Consumer> => {
      const started = stream.consumer(consumer, limits, handle);
      await started.start();
      return started;
    };

    test('every event arrives, and in order within an account', async () => {
      const accounts = ['a', 'b', 'c', 'd', 'e'];
      const { notes, consumer } = await consume(await harness.open());
      for (let round = 0; round < 10; round += 1) await harness.write(accounts.flatMap((account) => numbered(account, 6, round * 6)));
      await until(() => notes.length >= 300, 'all events arrived');
      for (const account of accounts) expect(notes.filter((note) => note.startsWith(account))).toEqual(numbered(account, 60).map(({ note }) => note));
      await consumer.stop();
    });

    test('a chunk says which events of which log it holds', async () => {
      const batches: Batch[] = [];
      const consumer = await start(await harness.open(), async (batch) => void batches.push(batch));
      await harness.write([...numbered('a', 5), ...numbered('b', 5)]);
      await until(() => batches.flatMap(notesOf).length === 10, 'all events arrived');
      for (const chunk of batches.flat()) {
        const events = eventsOf([chunk]);
        expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: chunk.to - chunk.from + 1 }, (_, index) => chunk.from + index));
        expect(events.every(({ log }) => log === chunk.log)).toBe(true);
        expect(chunk.lines.at(-1)).toBe(0x0a);
      }
      await consumer.stop();
    });

    test('a consumer goes on after a restart where it stopped', async () => {
      const first = await harness.open();
      await harness.write(numbered('a', 20));
      const before = await consume(first);
      await until(() => before.notes.length === 20, 'the first events arrived');
      await before.consumer.stop();
      await harness.write(numbered('a', 5, 20));
      const after = await consume(await harness.open());
      await until(() => after.notes.length >= 5, 'the rest arrived');
      await delay(200);
      expect(after.notes).toEqual(numbered('a', 5, 20).map(({ note }) => note));
      await after.consumer.stop();
    });

    test('what the handler rejects comes again as the same batch, and the consumer says why it stands still', async () => {
      const batches: Batch[] = [];
      await harness.write(numbered('a', 10));
      const consumer = await start(await harness.open(), async (batch) => {
        batches.push(batch);
        if (batches.length < 3) throw new Error('The store takes nothing.');
      });
      await until(() => batches.length >= 1 && consumer.trouble() !== undefined, 'the consumer complains');
      expect(consumer.trouble()).toContain('The store takes nothing.');
      await until(() => batches.length >= 3 && consumer.trouble() === undefined, 'the batch was handled');
      expect(batches.slice(0, 3).map(bytesOf)).toEqual([0, 1, 2].map(() => bytesOf(batches[0] as Batch)));
      await consumer.stop();
    });

    test('stopping waits for the batch in hand, whatever else is waiting, and its cursor is saved', async () => {
      const stream = await harness.open();
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const handled: string[] = [];
      let isInHand = false;
      const accounts = ['a', 'b', 'c', 'd', 'e'];
      for (let index = 0; index < 40; index += 10) for (const account of accounts) await harness.write(numbered(account, 10, index));
      const handle: Handler = async (batch) => {
        isInHand = true;
        await gate;
        handled.push(...notesOf(batch));
      };
      const consumer = await start(stream, handle, 'store', { bytes: 5_000, age_ms: 50 });
      await until(() => isInHand, 'a batch is in hand');
      let isStopped = false;
      const stopping = consumer.stop().then(() => {
        isStopped = true;
      });
      await delay(300);
      expect(isStopped).toBe(false);
      open();
      await stopping;
      await harness.write(numbered('a', 1, 40));
      const after = await consume(await harness.open());
      const all = (): readonly string[] => [...handled, ...after.notes];
      await until(() => all().length >= 201, 'the rest arrived');
      for (const account of accounts)
        expect(all().filter((note) => note.startsWith(account))).toEqual(numbered(account, account === 'a' ? 41 : 40).map(({ note }) => note));
      await after.consumer.stop();
    });

    test('lag rises while nothing is handled, and falls to nothing', async () => {
      let isOpen = false;
      await harness.write(numbered('a', 30));
      const consumer = await start(await harness.open(), async () => {
        if (!isOpen) throw new Error('Not yet.');
      });
      await until(() => consumer.lag().events >= 30 && consumer.lag().seconds > 0, 'the consumer is behind');
      isOpen = true;
      await until(() => consumer.lag().events === 0, 'the consumer has caught up');
      expect(consumer.lag().seconds).toBe(0);
      await consumer.stop();
    });

    test('a batch is no larger than its limit and one write', async () => {
      for (let index = 0; index < 100; index += 1) await harness.write(numbered('a', 1, index));
      const sizes: number[] = [];
      let notes = 0;
      const handle: Handler = async (batch) => {
        sizes.push(batch.reduce((sum, { lines }) => sum + lines.length, 0));
        notes += notesOf(batch).length;
      };
      const consumer = await start(await harness.open(), handle, 'store', { bytes: 5_000, age_ms: 50 });
      await until(() => notes === 100, 'all events arrived');
      expect(Math.max(...sizes)).toBeLessThan(7_000);
      expect(sizes.length).toBeGreaterThan(5);
      await consumer.stop();
    });

    test('two names have cursors of their own', async () => {
      const stream = await harness.open();
      await harness.write(numbered('a', 10));
      const store = await consume(stream, 'store');
      await until(() => store.notes.length === 10, 'the first consumer has all');
      const alerts = await consume(stream, 'alerts');
      await until(() => alerts.notes.length === 10, 'the second consumer has all');
      await alerts.consumer.stop();
      await harness.write(numbered('a', 5, 10));
      await until(() => store.notes.length === 15, 'the first goes on alone');
      expect(alerts.notes).toHaveLength(10);
      await store.consumer.stop();
    });

    test('a crash between the effect and the cursor gives the batch again', async () => {
      const handled: string[] = [];
      await harness.write(numbered('a', 10));
      await start(await harness.open(), async (batch) => {
        handled.push(...notesOf(batch));
        await new Promise(() => undefined);
      });
      await until(() => handled.length > 0, 'a batch took effect');
      await harness.crash();
      const after = await consume(await harness.open());
      await until(() => after.notes.length === 10, 'everything came again');
      expect(after.notes).toEqual(numbered('a', 10).map(({ note }) => note));
      await after.consumer.stop();
    });

    /** Starts a follower that keeps what it handled and what it was told to have elsewhere. */
    const follow = async (stream: Stream, options: { since?: number; onMissed?: (missed: Missed) => Promise<void> } = {}) => {
      const events: Event[] = [];
      const missed: Missed[] = [];
      const consumer = stream.consumer('follower', LIMITS, async (batch) => void events.push(...eventsOf(batch)), {
        since: options.since ?? 0,
        onMissed: async (one) => {
          await options.onMissed?.(one);
          missed.push(one);
        },
      });
      await consumer.start();
      const notes = (): readonly string[] => events.flatMap(({ details }) => (typeof details?.['note'] === 'string' ? [details['note']] : []));
      return { events, notes, missed, consumer };
    };

    test('a follower gets what comes, in order, and goes on after a restart where it stopped', async () => {
      const first = await follow(await harness.open(), { since: Date.now() });
      await harness.write([...numbered('a', 20), ...numbered('b', 20)]);
      await until(() => first.notes().length >= 40, 'the first events arrived');
      await first.consumer.stop();
      await harness.write(numbered('a', 5, 20));
      const second = await follow(await harness.open(), { since: 0 });
      await until(() => second.notes().length >= 5, 'the rest arrived');
      await delay(300);
      expect(first.notes().filter((note) => note.startsWith('a'))).toEqual(numbered('a', 20).map(({ note }) => note));
      expect(second.notes()).toEqual(numbered('a', 5, 20).map(({ note }) => note));
      expect([...first.missed, ...second.missed]).toEqual([]);
      await second.consumer.stop();
    });

    test('a follower is told what the stream let go of while it was away, and what follows comes when it has had that', async () => {
      const started = Date.now();
      const before = await follow(await harness.open(), { since: started });
      await harness.write(numbered('a', 10));
      await until(() => before.notes().length === 10, 'the first events arrived');
      await before.consumer.stop();
      const lost = [...numbered('a', 30, 10), ...numbered('b', 30)];
      await harness.write(lost);
      const between = await consume(await harness.open(), 'witness');
      await until(() => between.notes.length >= 70, 'a witness has seen them');
      await between.consumer.stop();
      await harness.letGo();
      await harness.write(numbered('a', 5, 40));
      let tries = 0;
      const after = await follow(await harness.open(), {
        since: started,
        onMissed: async () => {
          tries += 1;
          if (tries === 1) throw new Error('The store is away.');
        },
      });
      await until(() => after.notes().length >= 5, 'what came later arrived');
      expect(tries).toBeGreaterThan(1);
      const witnessed = between.events.filter(({ details }) => lost.some(({ note }) => note === details?.['note']));
      expect(witnessed).toHaveLength(60);
      for (const event of witnessed) {
        const time = Date.parse(event.recorded);
        expect(after.missed.some(({ from, to, has }) => from <= time && time <= to && has(event))).toBe(true);
      }
      expect(new Set(after.notes())).toEqual(new Set(numbered('a', 5, 40).map(({ note }) => note)));
      await after.consumer.stop();
    });

    /** A follower that is handed a batch when so many bytes are there, or after so long. */
    const lingering = async (age_ms: number) => {
      const stream = await harness.open();
      const batches: (readonly string[])[] = [];
      const following = { since: Date.now(), onMissed: async () => undefined };
      const consumer = stream.consumer('lingering', { bytes: 20_000, age_ms }, async (batch) => void batches.push(notesOf(batch)), following);
      await consumer.start();
      return { batches: () => batches.filter((batch) => batch.length > 0), consumer };
    };

    test('a follower that may wait for more gets what came meanwhile as one batch', async () => {
      const { batches, consumer } = await lingering(4_000);
      for (let from = 0; from < 4; from += 1) {
        await harness.write(numbered('a', 1, from));
        await delay(300);
      }
      await until(() => batches().length > 0, 'they arrived');
      expect(batches()).toEqual([numbered('a', 4).map(({ note }) => note)]);
      await consumer.stop();
    });

    test('it waits no longer where there is enough, nor when it is told to stop', async () => {
      // Longer than this test may take.
      const { batches, consumer } = await lingering(120_000);
      await harness.write(numbered('a', 100));
      await until(() => batches().flat().length > 0, 'enough arrived');
      await harness.write(numbered('a', 1, 100));
      await delay(400);
      await consumer.stop();
      expect(batches().flat()).not.toContain(numbered('a', 1, 100)[0]?.note);
    });

    test('a follower that begins later than the stream, but before what it still has, is told what lies between', async () => {
      const since = Date.now();
      await harness.write(numbered('a', 20));
      const witness = await consume(await harness.open(), 'witness');
      await until(() => witness.notes.length === 20, 'a witness has seen them');
      await witness.consumer.stop();
      await harness.letGo();
      await harness.write(numbered('a', 5, 20));
      const follower = await follow(await harness.open(), { since });
      await until(() => follower.notes().length === 5, 'what is left arrived');
      for (const event of witness.events.filter(({ details }) => details?.['note'] !== undefined))
        expect(follower.missed.some(({ from, to, has }) => from <= Date.parse(event.recorded) && Date.parse(event.recorded) <= to && has(event))).toBe(true);
      await follower.consumer.stop();
    });
  });
};
