import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { KafkaMessage, Message } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { type Copy, openCopy } from './copy.js';
import { applyMessages } from './feed-batch.js';
import { beacon, parseMessage, toMessage } from './record.js';
import { type EntityState, judge, versionOf } from './state.js';
import type { EntityChange } from './types.js';

const DAY_MS = 24 * 3_600_000;
const TIME = Date.parse('2026-11-22T04:00:00.000Z');

type OnTopic = Pick<KafkaMessage, 'key' | 'value' | 'headers' | 'timestamp' | 'offset'>;

/** One partition, in memory: what Kafka keeps of it. */
const partition = () => {
  let log: OnTopic[] = [];
  let next = 0;
  return {
    append: (message: Message, time = TIME): void => {
      const value = message.value === null ? null : Buffer.from(message.value as string);
      log.push({ key: Buffer.from(message.key as string), value, headers: message.headers ?? {}, timestamp: String(time), offset: String(next++) });
    },
    /** Keeps the last record of each key; tombstones too, or not. */
    compact: (keepTombstones: boolean): void => {
      const last = new Map(log.map((message) => [message.key?.toString(), message.offset]));
      log = log.filter(({ key, offset, value }) => last.get(key?.toString()) === offset && (keepTombstones || value !== null));
    },
    read: (): readonly OnTopic[] => log,
  };
};

/** A node: its copy, and how far it has read. */
const nodeOn = (log: ReturnType<typeof partition>, name: string) => {
  const path = mkdtempSync(join(tmpdir(), 'verdict-rule-'));
  const copy: Copy = openCopy(path, () => TIME);
  let cursor = 0;
  const rules = { node: name, now: TIME, markMs: DAY_MS, repairMs: 0, onMalformed: () => undefined, onLost: () => undefined };
  const self = {
    copy,
    read: async (): Promise<void> => {
      cursor = await copy.transaction((writer) => applyMessages(writer, 0, cursor, log.read(), rules));
    },
    /** Writes what a change comes to by this node's own, maybe outdated, view. */
    write: (change: EntityChange, view: EntityState | undefined): boolean => {
      const { next } = judge(view, change, new Date(TIME).toISOString());
      if (!next) return false;
      const op = change.op === 'delete' ? 'delete' : 'update';
      log.append(toMessage({ type: change.type, id: change.id, state: next, attempt: `${change.change}-1`, node: name, isRepair: false }, { op }));
      return true;
    },
    /** Publishes accepted states where a rejected record stands last, until none does. */
    mend: async (): Promise<void> => {
      for (;;) {
        await self.read();
        const owed = copy.owed();
        if (owed.length === 0) return;
        for (const { type, id } of owed) {
          const state = copy.state(type, id);
          if (state) log.append(toMessage({ type, id, state, attempt: '', node: name, isRepair: true }, { op: 'repair' }));
        }
      }
    },
    state: (id: string): EntityState | undefined => copy.state('t', id),
    close: async (): Promise<void> => {
      await copy.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
  return self;
};

type Node = ReturnType<typeof nodeOn>;
type Step = { readonly writer: 0 | 1; readonly does: 'put' | 'delete' | 'read' | 'view' | 'compact'; readonly id: string; readonly expects: boolean };

const step: fc.Arbitrary<Step> = fc.record({
  writer: fc.constantFrom(0, 1),
  does: fc.constantFrom('put', 'put', 'put', 'delete', 'read', 'view'),
  id: fc.constantFrom('a', 'b'),
  expects: fc.boolean(),
});

/** What counts for readers: the living entities. A mark's change may be forgotten, an entity's may not. */
const living = (node: Node): unknown => ['a', 'b'].map((id) => (node.state(id)?.kind === 'live' ? node.state(id) : undefined));

describe('the rule of the entities topic', () => {
  const nodes: Node[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
  });
  const join = (log: ReturnType<typeof partition>, name: string): Node => {
    const node = nodeOn(log, name);
    nodes.push(node);
    return node;
  };

  const play = async (
    steps: readonly Step[],
  ): Promise<{ log: ReturnType<typeof partition>; writers: readonly [Node, Node]; made: Map<string, EntityChange> }> => {
    const log = partition();
    const writers = [join(log, 'n0'), join(log, 'n1')] as const;
    const views = [new Map<string, EntityState | undefined>(), new Map<string, EntityState | undefined>()] as const;
    const made = new Map<string, EntityChange>();
    for (const [index, { writer, does, id, expects }] of steps.entries()) {
      const node = writers[writer];
      const view = views[writer];
      if (does === 'read') await node.read();
      if (does === 'view') for (const one of ['a', 'b']) view.set(one, node.state(one));
      if (does !== 'put' && does !== 'delete') continue;
      const seen = view.get(id);
      const rest = { change: `c${index}`, type: 't', id, ...(expects && seen?.kind === 'live' && { expected: versionOf(seen) }) };
      const change: EntityChange = does === 'put' ? { ...rest, op: 'put', account: `acc-${writer}`, properties: { index } } : { ...rest, op: 'delete' };
      if (node.write(change, seen)) made.set(change.change, change);
    }
    return { log, writers, made };
  };

  test('two writers at any pace: every node ends with the same state, whenever it read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { log, writers } = await play(steps);
        const late = join(log, 'n2');
        for (const node of [...writers, late]) await node.read();
        for (const id of ['a', 'b']) {
          expect(writers[1].state(id)).toEqual(writers[0].state(id));
          expect(late.state(id)).toEqual(writers[0].state(id));
        }
        for (const node of nodes.splice(0)) await node.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('of the records that rest on one version the first stands, and no other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { log, writers, made } = await play(steps);
        await writers[0].read();
        const first = new Map<string, string>();
        const reached = new Map<string, number>();
        for (const message of log.read()) {
          const parsed = parseMessage(message);
          if (parsed.kind !== 'record') throw new Error('a record is expected');
          const { id, state } = parsed.record;
          const version = versionOf(state);
          if (version !== (reached.get(id) ?? 0) + 1) continue;
          reached.set(id, version);
          first.set(`${id}/${version}`, state.change);
        }
        const applied = new Set([...made.keys()].filter((change) => writers[0].copy.outcome(change)));
        expect(applied).toEqual(new Set(first.values()));
        for (const node of nodes.splice(0)) await node.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('a node that reads the topic only after compaction ends with the same state, once rejected records are mended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 1), fc.boolean(), async (steps, mender, keepTombstones) => {
        const { log, writers } = await play(steps);
        await writers[mender].mend();
        await writers[mender === 0 ? 1 : 0].read();
        log.compact(keepTombstones);
        const late = join(log, 'n2');
        await late.read();
        expect(living(late)).toEqual(living(writers[0]));
        expect(living(writers[1])).toEqual(living(writers[0]));
        for (const node of [...writers, late]) expect(node.copy.owed()).toEqual([]);
        for (const node of nodes.splice(0)) await node.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('a node that reads half of it before compaction and the rest after ends with the same state', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.array(step, { maxLength: 30 }), async (before, after) => {
        const { log, writers } = await play([...before]);
        const slow = join(log, 'n2');
        await slow.read();
        for (const node of writers) await node.read();
        for (const [index, { writer, does, id }] of after.entries()) {
          const change = { change: `d${index}`, type: 't', id };
          if (does === 'put') writers[writer].write({ ...change, op: 'put', properties: { index } }, writers[writer].state(id));
          if (does === 'delete') writers[writer].write({ ...change, op: 'delete' }, writers[writer].state(id));
          if (does === 'read') await writers[writer].read();
        }
        await writers[0].mend();
        await writers[1].mend();
        log.compact(true);
        await slow.read();
        expect(living(slow)).toEqual(living(writers[0]));
        for (const node of nodes.splice(0)) await node.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('an account never changes while an entity lives, however two writers race', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { log } = await play(steps);
        const reader = join(log, 'n2');
        let before: EntityState | undefined;
        const whole = log.read();
        const upTo = partition();
        const piece = join(upTo, 'n3');
        for (const message of whole) {
          if (message.key?.toString() !== 't/a') continue;
          upTo.append({ key: 't/a', value: message.value?.toString() ?? null, headers: message.headers ?? {} });
          await piece.read();
          const state = piece.state('a');
          if (before?.kind === 'live' && state?.kind === 'live') expect(state.entity.account).toBe(before.entity.account);
          before = state;
        }
        await reader.read();
        expect(reader.state('a')).toEqual(before);
        for (const node of nodes.splice(0)) await node.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('a mark older than tombstones are kept does not keep out an entity that another node counts anew', async () => {
    const log = partition();
    const old = join(log, 'n0');
    old.write({ change: 'c1', op: 'put', type: 't', id: 'a', properties: {} }, undefined);
    await old.read();
    old.write({ change: 'c2', op: 'delete', type: 't', id: 'a' }, old.state('a'));
    await old.read();
    const anew = { kind: 'live', entity: { type: 't', id: 'a', properties: {}, version: 1, updated: '' }, change: 'c3' } as const;
    const message = toMessage({ type: 't', id: 'a', state: anew, attempt: 'x', node: 'n1', isRepair: false }, { op: 'create' });
    log.append(message, TIME + DAY_MS / 2);
    await old.read();
    expect(old.state('a')?.kind).toBe('mark');
    log.append(message, TIME + 2 * DAY_MS);
    await old.read();
    expect(old.state('a')).toEqual(anew);
  });

  test('a message that is not Verdict’s is left out, named, and mended where it stands last', async () => {
    const log = partition();
    const node = join(log, 'n0');
    node.write({ change: 'c1', op: 'put', type: 't', id: 'a', properties: { n: 1 } }, undefined);
    const bad: Message[] = [
      { key: 't/a', value: 'no json' },
      { key: 't/a', value: '{"type":"t","id":"b"}' },
      { key: 't/a', value: '{"type":"t","id":"a","properties":{},"version":"9","updated":"","change":"c"}' },
      { key: 't/a', value: '{"type":"t","id":"a","properties":{},"version":9007199254740993,"updated":"","change":"c"}' },
      { key: 't/a', value: `{"deep":${'['.repeat(5_000)}${']'.repeat(5_000)}}` },
      { key: 't/a', value: null },
      { key: 't/a', value: null, headers: { version: '-1', change: 'c', 'deleted-at': '2026-11-22' } },
      { key: 'nothing', value: '{}' },
      { key: '/a', value: '{}' },
      beacon(0),
    ];
    for (const message of bad) log.append(message);
    const named: string[] = [];
    const rules = { node: 'n0', now: TIME, markMs: DAY_MS, repairMs: 0, onMalformed: (sentence: string) => named.push(sentence), onLost: () => undefined };
    expect(await node.copy.transaction((writer) => applyMessages(writer, 0, 0, log.read(), rules))).toBe(11);
    expect(named).toHaveLength(9);
    expect(named[0]).toBe("Message 1 of partition 0 of the entities' topic was left out: its value is no JSON.");
    expect(node.state('a')).toMatchObject({ kind: 'live', entity: { version: 1, properties: { n: 1 } } });
    expect(node.copy.owed()).toEqual([{ type: 't', id: 'a', due: TIME }]);
  });
});
