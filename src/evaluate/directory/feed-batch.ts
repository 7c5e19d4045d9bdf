import type { KafkaMessage } from 'kafkajs';
import { type CopyWriter, REMEMBER_MS } from './copy-env.js';
import { type EntityRecord, parseMessage, rule } from './record.js';
import { type EntityState, entityOf } from './state.js';
import type { Entity, EntityOutcome } from './types.js';

export type BatchRules = {
  /** This node: what it lost it mends at once. */
  readonly node: string;
  readonly now: number;
  /** Marks older than this count no more; see {@link rule}. */
  readonly markMs: number;
  /** When a rejected record of another node is mended by this one, in milliseconds from now. */
  readonly repairMs: number;
  /** Told of a message that isn't Verdict's. */
  readonly onMalformed: (sentence: string) => void;
  /** Told when a record of this node was rejected. */
  readonly onLost: () => void;
};

const outcomeOf = (before: EntityState | undefined, { type, id, state }: EntityRecord): EntityOutcome => {
  if (state.kind === 'live') return { outcome: 'applied', entity: state.entity, created: before?.kind !== 'live' };
  const last: Entity = entityOf(before) ?? { type, id, properties: {}, version: 0, updated: '' };
  return { outcome: 'deleted', entity: { ...last, version: state.version, updated: state.deleted } };
};

const applyRecord = (writer: CopyWriter, record: EntityRecord, rules: BatchRules): void => {
  const { type, id, state } = record;
  const before = writer.state(type, id);
  const ruling = rule(before, record, rules.markMs);
  const isRecent = rules.now - record.time < REMEMBER_MS;
  if (ruling === 'rejected') {
    writer.owe(type, id, record.node === rules.node ? rules.now : rules.now + rules.repairMs);
    if (record.node !== rules.node) return;
    if (record.attempt !== '' && isRecent) writer.remember(record.attempt, { outcome: 'refused' });
    rules.onLost();
    return;
  }
  writer.owe(type, id, undefined);
  if (ruling === 'repeated') return;
  writer.set(type, id, state);
  if (isRecent && !record.isRepair) writer.remember(state.change, outcomeOf(before, record));
};

/**
 * Takes messages of one partition into the copy, in their order, starting where it ended before: with the entities the
 * cursor moves, in the same transaction. What lies before the cursor is skipped.
 */
export const applyMessages = (
  writer: CopyWriter,
  partition: number,
  cursor: number,
  messages: readonly Pick<KafkaMessage, 'key' | 'value' | 'headers' | 'timestamp' | 'offset'>[],
  rules: BatchRules,
): number => {
  let next = cursor;
  for (const message of messages) {
    const offset = Number(message.offset);
    if (offset < next) continue;
    next = offset + 1;
    const parsed = parseMessage(message);
    if (parsed.kind === 'record') applyRecord(writer, parsed.record, rules);
    if (parsed.kind !== 'malformed') continue;
    rules.onMalformed(`Message ${offset} of partition ${partition} of the entities' topic was left out: ${parsed.reason}.`);
    if (parsed.key && writer.state(...parsed.key)) writer.owe(...parsed.key, rules.now + rules.repairMs);
  }
  if (next !== cursor) {
    writer.cursor(partition, next);
    writer.bump();
  }
  return next;
};
