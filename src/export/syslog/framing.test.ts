import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { framed } from './framing.js';

/** Takes a stream apart again by RFC 6587, section 3.4.1, in pieces cut anywhere. */
const unframed = (bytes: Buffer): string[] => {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = bytes.toString('latin1', at, space);
    if (!/^[1-9]\d*$/.test(length)) throw new Error(`No MSG-LEN at ${at}`);
    messages.push(bytes.toString('utf8', space + 1, space + 1 + Number(length)));
    at = space + 1 + Number(length);
  }
  return messages;
};

describe('framing', () => {
  it('by octet count gives every message back, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1 })), (messages) => {
        expect(unframed(Buffer.from(messages.map((message) => framed(message, 'octet-counting')).join('')))).toEqual(messages);
      }),
    );
  });

  it('counts octets, not characters', () => {
    expect(framed('é🙂', 'octet-counting')).toBe('6 é🙂');
  });

  it('by line feed puts one behind the message', () => {
    expect(framed('<86>1 - - - - - -', 'newline')).toBe('<86>1 - - - - - -\n');
  });
});
