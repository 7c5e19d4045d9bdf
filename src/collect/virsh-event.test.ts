import { describe, expect, it } from 'vitest';
import { type DomainEvent, linesFrom, readEvent } from './virsh-event.js';

const AT = '2026-11-22 05:26:22.279+0000';
const time = Date.parse('2026-11-22T05:26:22.279Z');

describe('A line of virsh event', () => {
  it('that tells of a lifecycle is read with its time, domain, what and why', () => {
    expect(readEvent(`${AT}: event 'lifecycle' for domain 'inst-1': Started Booted`)).toEqual({
      time,
      domain: 'inst-1',
      event: 'lifecycle',
      what: 'Started',
      why: 'Booted',
    });
    expect(readEvent(`${AT}: event 'lifecycle' for domain 'inst-1': Shutdown Finished after guest request`)).toMatchObject({
      what: 'Shutdown',
      why: 'Finished after guest request',
    });
    expect(readEvent(`${AT}: event 'lifecycle' for domain 'inst-1': Suspended I/O Error`)).toMatchObject({ what: 'Suspended', why: 'I/O Error' });
  });

  it('that says no more than its name, or something of its own, is read too', () => {
    expect(readEvent(`${AT}: event 'reboot' for domain 'inst-1'`)).toMatchObject({ domain: 'inst-1', event: 'reboot', what: '' });
    expect(readEvent(`${AT}: event 'device-added' for domain 'inst-1': virtio-disk1`)).toMatchObject({ event: 'device-added', what: 'virtio-disk1' });
  });

  it('keeps its time zone', () => {
    expect(readEvent("2026-11-22 06:26:22.279+0100: event 'reboot' for domain 'a'")?.time).toBe(time);
  });

  it.each(['inst 1', "x': Stopped Destroyed", "it's", "'", "a' for domain 'b", "x'", 'événement', '5'])(
    'keeps the domain %j apart from what happened, whatever its name looks like',
    (domain) => {
      expect(readEvent(`${AT}: event 'lifecycle' for domain '${domain}': Defined Added`)).toMatchObject({ domain, what: 'Defined', why: 'Added' });
      expect(readEvent(`${AT}: event 'reboot' for domain '${domain}'`)).toMatchObject({ domain, event: 'reboot' });
      expect(readEvent(`${AT}: event 'device-removed' for domain '${domain}': net0`)).toMatchObject({ domain, what: 'net0' });
    },
  );

  it.each([
    '',
    '\toperation: 2',
    'events received: 20',
    'error: internal error: client socket is closed',
    `${AT}: event 'lifecycle' for domain 'inst-1'`,
    "2026-99-22 05:26:22.279+0000: event 'reboot' for domain 'inst-1'",
    `${AT}: event 'lifecycle' for domain '${'x'.repeat(5000)}': Started Booted`,
  ])('is passed over where it is no event: %j', (line) => {
    expect(readEvent(line)).toBeUndefined();
  });
});

describe('The stream of lines', () => {
  const through = (...parts: readonly string[]): readonly (DomainEvent | undefined)[] => {
    const found: (DomainEvent | undefined)[] = [];
    const take = linesFrom((line) => found.push(readEvent(line)));
    for (const part of parts) take(part);
    return found;
  };

  it('is the same however it was cut', () => {
    const text = `${AT}: event 'reboot' for domain 'a'\n${AT}: event 'reboot' for domain 'b'\n`;
    expect(through(...text).map((event) => event?.domain)).toEqual(['a', 'b']);
    expect(through(text).map((event) => event?.domain)).toEqual(['a', 'b']);
  });

  it('goes on behind a line that never seems to end, and keeps no more of it than of an event', () => {
    const endless = 'x'.repeat(100_000);
    const found = through(endless, endless, endless, `\n${AT}: event 'reboot' for domain 'a'\n`);
    expect(found.map((event) => event?.domain)).toEqual([undefined, 'a']);
  });
});
