import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAST_TXNR, NotRelp, newRelpReader, type RelpFrame, relpFrame, relpStatus } from './relp-frames.js';

const anyFrame = fc.record({
  txnr: fc.integer({ min: 0, max: LAST_TXNR }),
  command: fc.constantFrom('open', 'rsp', 'syslog', 'close', 'serverclose'),
  data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

describe('RELP frames', () => {
  it('are read as they were written, in pieces cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 10 }), fc.array(fc.nat({ max: 50 })), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(({ txnr, command, data }) => relpFrame(txnr, command, data)));
        const read = newRelpReader();
        const found: RelpFrame[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          found.push(...read(bytes.subarray(at, at + cut)).map((frame) => ({ ...frame, data: Buffer.from(frame.data) })));
          at += cut;
        }
        expect(found).toEqual(frames);
      }),
    );
  });

  it('look as the specification has them', () => {
    expect(relpFrame(2, 'syslog', 'é').toString()).toBe('2 syslog 2 é\n');
    expect(relpFrame(3, 'close', '').toString()).toBe('3 close 0\n');
  });

  it('without data may have a space before their end', () => {
    expect(newRelpReader()(Buffer.from('0 serverclose 0 \n1 rsp 0\n'))).toMatchObject([{ command: 'serverclose' }, { command: 'rsp' }]);
  });

  it.each([
    '220 mail.example ESMTP ready\r\n',
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    '1 rsp 999999999 x',
    '1 rsp 2 200 OK\n',
    `1${'0'.repeat(100)} rsp 0\n`,
    '\u0016\u0003\u0001\n',
  ])('that are none are told apart: %j', (text) => {
    expect(() => newRelpReader()(Buffer.from(text))).toThrow(NotRelp);
  });

  it('never hang nor throw anything else, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
        const read = newRelpReader();
        try {
          for (const piece of pieces) read(Buffer.from(piece));
        } catch (error) {
          expect(error).toBeInstanceOf(NotRelp);
        }
      }),
    );
  });

  it.each([
    ['200 OK', 200],
    ['500 no', 500],
    ['', 0],
    ['OK', 0],
  ])('that answer %j have the status %i', (text, code) => {
    expect(relpStatus(Buffer.from(text)).code).toBe(code);
  });
});
