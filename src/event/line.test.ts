import { describe, expect, it } from 'vitest';
import { fromLine, place, toLine } from './line.js';

const eventOf = (name: string) =>
  place(
    {
      id: 'evt-1',
      timestamp: '2026-01-01T00:00:00.000Z',
      account: 'acc-1',
      kind: 'activity',
      actor: { type: 'user', id: 'usr-1' },
      action: 'instance.create',
      resource: { type: 'instance', id: 'inst-1', name },
      result: 'success',
      source: 'gateway',
    },
    { log: '01ARZ3NDEKTSV4RRFFQ69G5FAV', seq: 1 },
    '2026-01-01T00:00:00.000Z',
  );

describe('an event’s line', () => {
  it('has U+FFFD for half of a surrogate pair, as where a text was cut: no store takes it', () => {
    const line = toLine(eventOf('web\ud83d'));
    expect(line).not.toContain('\\ud83d');
    expect(fromLine(line).resource.name).toBe('web\ufffd');
  });

  it('keeps every other text as it is', () => {
    for (const name of ['web \u{1f600}', 'C:\\ud83d', 'a"b\\', '\u2028']) expect(fromLine(toLine(eventOf(name))).resource.name).toBe(name);
  });
});
