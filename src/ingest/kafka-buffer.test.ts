import { describe, expect, test } from 'vitest';
import { entryBuffer } from './kafka-buffer.js';
import type { Entry } from './kafka-entries.js';

const entries = (count: number, bytes = 9, partition = 0): readonly Entry[] =>
  Array.from({ length: count }, (_, offset) => ({ partition, offset, time: 1_000 + offset, value: Buffer.alloc(bytes), log: 'log', seq: offset + 1 }));

describe('the buffer between fetching and handling', () => {
  test('gives a batch when its bytes are there, without waiting for its age', async () => {
    const buffer = entryBuffer({ bytes: 50, age_ms: 60_000 });
    buffer.push(entries(12));
    expect((await buffer.take())?.entries).toHaveLength(5);
    expect((await buffer.take())?.entries).toHaveLength(5);
  });

  test('gives what there is when the oldest has waited long enough', async () => {
    const buffer = entryBuffer({ bytes: 1_000, age_ms: 20 });
    const taking = buffer.take();
    buffer.push(entries(2));
    buffer.push(entries(1));
    expect((await taking)?.entries).toHaveLength(3);
  });

  test('gives what is larger than a batch by itself', async () => {
    const buffer = entryBuffer({ bytes: 50, age_ms: 20 });
    buffer.push(entries(2, 200));
    expect((await buffer.take())?.entries).toHaveLength(1);
    expect((await buffer.take())?.entries).toHaveLength(1);
  });

  test('has room again when something was taken', async () => {
    const buffer = entryBuffer({ bytes: 50, age_ms: 20 });
    buffer.push(entries(6));
    expect(buffer.isFull()).toBe(true);
    const waiting = buffer.room(60_000);
    await buffer.take();
    await waiting;
    expect(buffer.isFull()).toBe(false);
    expect(buffer.holds(0)).toBe(true);
    expect(buffer.holds(1)).toBe(false);
    expect(buffer.oldest()).toBe(1_005);
  });

  test('tells what was taken before it was cleared from what came after', async () => {
    const buffer = entryBuffer({ bytes: 50, age_ms: 10 });
    buffer.push(entries(1));
    const before = await buffer.take();
    buffer.clear();
    buffer.push(entries(1));
    expect(before?.epoch).not.toBe(buffer.epoch());
    expect((await buffer.take())?.epoch).toBe(buffer.epoch());
  });

  test('lets everybody go when it is closed', async () => {
    const buffer = entryBuffer({ bytes: 50, age_ms: 60_000 });
    const taking = buffer.take();
    buffer.push(entries(1));
    buffer.close();
    expect(await taking).toBeUndefined();
    await buffer.room(60_000);
  });
});
