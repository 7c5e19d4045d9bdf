import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { crc32c } from './crc32c.js';
import { encodeProduce, type ProduceRequest } from './produce-encoder.js';

const require = createRequire(import.meta.url);
const kafkajsRequest = require('kafkajs/src/protocol/requests/produce/v7/request') as (request: ProduceRequest) => {
  readonly encode: () => Promise<{ readonly buffer: Buffer }>;
};

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ minLength: 60, maxLength: 70 }),
  fc.string({ minLength: 8_000, maxLength: 9_000 }),
);
const bytes = fc.uint8Array({ maxLength: 3_000 }).map((array) => Buffer.from(array));
const message = fc.record({
  key: fc.oneof(text, bytes, fc.constant(null)),
  value: fc.oneof(text, bytes, fc.constant(null)),
  headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), fc.oneof(text, bytes, fc.array(text, { maxLength: 3 })), {
    maxKeys: 9,
    noNullPrototype: true,
  }),
});
const request = fc.record({
  acks: fc.constant(-1),
  timeout: fc.nat(),
  producerId: fc.bigInt({ min: -1n, max: 2n ** 62n }).map(String),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  topicData: fc.array(
    fc.record({
      topic: fc.string({ minLength: 1, maxLength: 200 }),
      partitions: fc.array(fc.record({ partition: fc.nat(), firstSequence: fc.nat(), messages: fc.array(message, { minLength: 1, maxLength: 70 }) }), {
        maxLength: 3,
      }),
    }),
    { maxLength: 2 },
  ),
});

describe('a produce request', () => {
  test('is the same, byte for byte, as kafkajs writes it', { timeout: 60_000 }, async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_795_000_000_123 });
    try {
      await fc.assert(
        fc.asyncProperty(request, async (one) => {
          const ours = encodeProduce(one, Date.now());
          const theirs = (await kafkajsRequest(one).encode()).buffer;
          expect(ours.equals(theirs)).toBe(true);
        }),
        { numRuns: 200 },
      );
    } finally {
      vi.useRealTimers();
    }
  });

  test('carries the checksum that RFC 3720 gives for its examples', () => {
    const examples: readonly (readonly [Buffer, number])[] = [
      [Buffer.alloc(32), 0x8a9136aa],
      [Buffer.alloc(32, 0xff), 0x62a8ab43],
      [Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
      [Buffer.from('123456789'), 0xe3069283],
    ];
    for (const [input, sum] of examples) expect(crc32c(input, 0, input.length)).toBe(sum);
  });
});
