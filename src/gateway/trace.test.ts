import { describe, expect, it } from 'vitest';
import { traceOf } from './trace.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const fixed = (): string => 'ab'.repeat(16);

describe('traceparent', () => {
  it('is continued: the same trace and flags, with the gateway’s own span', () => {
    const trace = traceOf(`00-${TRACE}-00f067aa0ba902b7-00`, fixed);
    expect(trace).toEqual({ id: TRACE, parent: `00-${TRACE}-${'ab'.repeat(8)}-00`, isContinued: true });
  });

  it('of a later version is continued as far as it is known', () => {
    expect(traceOf(`01-${TRACE}-00f067aa0ba902b7-01-more`, fixed).id).toBe(TRACE);
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7-01-more`,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7-01, 00-${TRACE}-00f067aa0ba902b7-01`,
  ])('that is none (%s) begins a new trace', (header) => {
    const trace = traceOf(header);
    expect(trace.isContinued).toBe(false);
    expect(trace.parent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(trace.id).not.toBe(TRACE);
  });
});
