import type { Sent } from '../sender.js';
import type { Verdict } from './verdict.js';

/** An event as it is written for the destination, and its index in the batch. */
export type Piece = { readonly index: number; readonly bytes: Buffer };

export type RequestLimits = { readonly events: number; readonly bytes: number /** What each event costs beside its bytes. */; readonly between: number };

/** So many refused and none accepted: that isn't the events. */
const GIVE_UP = 16;

/** Cuts a batch into requests, in order; an event that is over the limit by itself is a request of its own. */
export const portions = (pieces: readonly Piece[], { events, bytes, between }: RequestLimits): readonly (readonly Piece[])[] => {
  const cut: Piece[][] = [];
  let size = 0;
  for (const piece of pieces) {
    const open = cut.at(-1);
    const cost = piece.bytes.length + between;
    if (!open || open.length === events || size + cost > bytes) {
      cut.push([piece]);
      size = cost;
    } else {
      open.push(piece);
      size += cost;
    }
  }
  return cut;
};

/** The end of a batch before its end. */
class Ended extends Error {
  constructor(readonly sent: Sent) {
    super('The batch ended early.');
  }
}

/**
 * Sends a batch in requests, one after the other. A request that is refused as a whole, or is too large, is halved until
 * the events at fault stand alone. What was refused before a failure is sent again with what follows, so that no
 * refusal is forgotten.
 */
export const inRequests = async (pieces: readonly Piece[], limits: RequestLimits, post: (portion: readonly Piece[]) => Promise<Verdict>): Promise<Sent> => {
  const refused: { index: number; reason: string }[] = [];
  let accepted = 0;

  const refuse = (index: number, reason: string): void => {
    refused.push({ index, reason });
    if (accepted === 0 && refused.length >= GIVE_UP)
      throw new Ended({ outcome: 'stopped', reason: `Each of the first ${GIVE_UP} events was refused. ${reason}` });
  };

  const settle = async (portion: readonly Piece[]): Promise<void> => {
    const verdict = await post(portion);
    const indexOf = (position: number): number => (portion[Math.min(portion.length - 1, Math.max(0, position))] as Piece).index;
    switch (verdict.meaning) {
      case 'accepted':
        accepted += portion.length - (verdict.refused?.length ?? 0);
        for (const { index, reason } of verdict.refused ?? []) refuse(indexOf(index), reason);
        return;
      case 'again': {
        const { reason, after_ms, from = 0 } = verdict;
        const first = Math.min(indexOf(from), ...refused.map(({ index }) => index));
        throw new Ended({ outcome: 'again', reason, from: first, ...(after_ms !== undefined && { after_ms }) });
      }
      case 'stopped':
        throw new Ended({ outcome: 'stopped', reason: verdict.reason });
      case 'refused':
      case 'large':
        if (portion.length === 1) return refuse(indexOf(0), verdict.reason);
        await settle(portion.slice(0, portion.length >> 1));
        await settle(portion.slice(portion.length >> 1));
    }
  };

  try {
    for (const portion of portions(pieces, limits)) await settle(portion);
  } catch (error) {
    if (error instanceof Ended) return error.sent;
    throw error;
  }
  return refused.length === 0 ? { outcome: 'accepted' } : { outcome: 'accepted', refused };
};
