import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type EventDraft, fromLine, newUlid, place, toLine } from '../event/index.js';
import { scan, utf8 } from './scan.js';

const draft = (changes: Partial<EventDraft> = {}): EventDraft => ({
  id: 'evt-1',
  timestamp: '2026-11-22T04:03:48.496Z',
  account: 'acc-1',
  kind: 'activity',
  actor: { type: 'user', id: 'usr-1', email: 'a@b.example' },
  action: 'instance.create',
  resource: { type: 'instance', id: 'inst-1' },
  result: 'success',
  source: 'libvirt',
  ...changes,
});

const line = (changes: Partial<EventDraft> = {}, seq = 7) => toLine(place(draft(changes), { log: newUlid(), seq }, '2026-11-22T04:03:48.501Z'));

const scanned = (text: string) => {
  const latin1 = Buffer.from(text).toString('latin1');
  return scan(latin1, 0, latin1.length);
};

describe('the scan of an event line', () => {
  test('reads the ends of a line', () => {
    const text = line({ region: 'lagos-1', details: { source: 'x', log: 'y', '"},"action":"': '"source":"' } });
    const { id, timestamp, account, action, source, log, seq } = fromLine(text);
    expect(scanned(text)).toEqual({ id, timestamp, account, action, source, log, seq });
  });

  test('leaves a string with an escape to a parser', () => {
    expect(scanned(line({ account: 'a"b' }))).toBeUndefined();
    expect(scanned(line({ source: 'a\\b' }))).toBeUndefined();
  });

  test('reads what is not ASCII', () => {
    expect(utf8(scanned(line({ account: 'Łódź-日本' }))?.account ?? '')).toBe('Łódź-日本');
  });

  test('says nothing of what is no event line', () => {
    for (const text of ['', '{}', 'x', '{"id":"a"}', line().slice(0, -1), `${line()} `, JSON.stringify({ b: 1, ...JSON.parse(line()) })])
      expect(scanned(text)).toBeUndefined();
  });

  test('agrees with a parser, or says nothing, whatever the strings hold', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"},"action":"x', '","log":"', '"source":"', ',"salts":["', '}],', '\\', '"', '{"id":"'),
      fc.string({ unit: fc.constantFrom('"', '\\', '}', ',', ':', '{', 'a', 'é') }),
    );
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, nasty, (id, account, agent, action, source) => {
        const text = line({
          id,
          account,
          actor: { type: 'user', id, user_agent: agent },
          action,
          source,
          details: { [agent]: action, nested: { [source]: id } },
        });
        const found = scanned(text);
        if (!found) return;
        const event = fromLine(text);
        for (const field of ['id', 'timestamp', 'account', 'action', 'source', 'log', 'seq'] as const) {
          const value = found[field];
          expect(typeof value === 'string' ? utf8(value) : value).toEqual(event[field]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
