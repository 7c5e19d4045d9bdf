import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inRequests, type Piece, portions } from './requests.js';
import type { Verdict } from './verdict.js';

const pieces = (sizes: readonly number[]): readonly Piece[] => sizes.map((size, index) => ({ index, bytes: Buffer.alloc(size) }));
const LIMITS = { events: 5, bytes: 100, between: 1 };

describe('a batch in requests', () => {
  test('is all there, in order, and no request is over its limits unless one event is', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 60 }), (sizes) => {
        const cut = portions(pieces(sizes), LIMITS);
        expect(cut.flat().map(({ index }) => index)).toEqual(sizes.map((_, index) => index));
        for (const portion of cut) {
          expect(portion.length).toBeLessThanOrEqual(LIMITS.events);
          const bytes = portion.reduce((sum, { bytes: own }) => sum + own.length + LIMITS.between, 0);
          if (portion.length > 1) expect(bytes).toBeLessThanOrEqual(LIMITS.bytes);
        }
      }),
    );
  });

  test('loses no event and forgets no refusal, whatever the destination answers', async () => {
    // Each event has its fate; each request a whim of its own.
    const fates = fc.array(fc.constantFrom('good', 'good', 'good', 'bad', 'item'), { maxLength: 40 });
    const whims = fc.array(fc.constantFrom('fair', 'fair', 'fair', 'fair', 'again', 'stopped', 'partly'), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(fates, whims, async (fate, whim) => {
        const there = new Set<number>();
        let request = 0;
        const post = async (portion: readonly Piece[]): Promise<Verdict> => {
          const now = whim[request++] ?? 'fair';
          if (now === 'again') return { meaning: 'again', reason: 'busy', after_ms: 5 };
          if (now === 'stopped') return { meaning: 'stopped', reason: 'no' };
          if (portion.some(({ index }) => fate[index] === 'bad')) return { meaning: 'refused', reason: 'bad' };
          const refused = portion.flatMap(({ index }, position) => (fate[index] === 'item' ? [{ index: position, reason: 'item' }] : []));
          if (now === 'partly' && refused.length === 0) {
            const from = portion.length >> 1;
            for (const { index } of portion.slice(0, from)) there.add(index);
            return { meaning: 'again', reason: 'half', from };
          }
          for (const { index } of portion) if (fate[index] === 'good') there.add(index);
          return { meaning: 'accepted', refused };
        };
        const sent = await inRequests(pieces(fate.map(() => 10)), LIMITS, post);
        if (sent.outcome === 'stopped') return;
        const end = sent.outcome === 'again' ? (sent.from ?? 0) : fate.length;
        const refused = sent.outcome === 'accepted' ? (sent.refused ?? []).map(({ index }) => index) : [];
        for (let index = 0; index < end; index += 1) expect(there.has(index) !== refused.includes(index), `event ${index}`).toBe(true);
        expect(refused).toEqual(fate.flatMap((one, index) => (one !== 'good' && index < end && sent.outcome === 'accepted' ? [index] : [])));
      }),
      { numRuns: 2000 },
    );
  });

  test('of nothing is accepted without a request', async () => {
    expect(await inRequests([], LIMITS, () => Promise.reject(new Error('asked')))).toEqual({ outcome: 'accepted' });
  });

  test('that is refused from its first event on stops the feed after sixteen', async () => {
    let asked = 0;
    const post = async (): Promise<Verdict> => {
      asked += 1;
      return { meaning: 'refused', reason: 'The endpoint answered 400.' };
    };
    expect(await inRequests(pieces(Array.from({ length: 100 }, () => 1)), LIMITS, post)).toEqual({
      outcome: 'stopped',
      reason: 'Each of the first 16 events was refused. The endpoint answered 400.',
    });
    expect(asked).toBeLessThan(40);
  });
});
