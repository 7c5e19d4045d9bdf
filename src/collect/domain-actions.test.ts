import { describe, expect, it } from 'vitest';
import { type Known, movesBetween, understand } from './domain-actions.js';
import type { DomainEvent } from './virsh-event.js';

const event = (what: string, why: string, name = 'lifecycle'): DomainEvent => ({ time: 0, domain: 'a', event: name, what, why });
const off: Known = { state: 'off', persistent: true };
const on: Known = { state: 'running', persistent: true };
const paused: Known = { state: 'paused', persistent: true };

/** The actions of a run of events of one domain. */
const story = (events: readonly (readonly [string, string])[], start?: Known) => {
  let known: Known | undefined = start;
  const actions = events.map(([what, why]) => {
    const understood = understand(event(what, why), known);
    known = understood?.next === 'gone' ? undefined : understood?.next;
    return understood?.action;
  });
  return { actions, known };
};

describe('What libvirt says of a domain', () => {
  it('is a creation and a start, whose first breath is no resumption', () => {
    const { actions, known } = story([
      ['Defined', 'Added'],
      ['Resumed', 'Unpaused'],
      ['Started', 'Booted'],
    ]);
    expect(actions).toEqual(['instance.create', 'libvirt.domain.resumed', 'instance.start']);
    expect(known).toMatchObject({ state: 'running', persistent: true });
  });

  it('is a suspension and a resumption where it was paused between', () => {
    expect(
      story(
        [
          ['Suspended', 'Paused'],
          ['Resumed', 'Unpaused'],
        ],
        on,
      ).actions,
    ).toEqual(['instance.suspend', 'instance.resume']);
  });

  it('is a stop where the platform stopped it, and nobody’s act where the guest switched itself off', () => {
    const host = story(
      [
        ['Shutdown', 'Finished after host request'],
        ['Stopped', 'Destroyed'],
      ],
      on,
    );
    expect(host.actions).toEqual(['libvirt.domain.shutdown', 'instance.stop']);
    const guest = story(
      [
        ['Shutdown', 'Finished after guest request'],
        ['Stopped', 'Shutdown'],
      ],
      on,
    );
    expect(guest.actions).toEqual(['libvirt.domain.shutdown', 'libvirt.domain.stopped']);
  });

  it('is a failure where it crashed', () => {
    expect(understand(event('Stopped', 'Crashed'), on)).toMatchObject({ action: 'libvirt.domain.stopped', result: 'failure', next: { state: 'off' } });
    expect(understand(event('Crashed', 'Panicked'), on)).toMatchObject({ action: 'libvirt.domain.crashed', result: 'failure' });
  });

  it('is a deletion at once where it is off, and once it stops where its definition was taken away before', () => {
    expect(understand(event('Undefined', 'Removed'), off)).toEqual({ action: 'instance.delete', result: 'success', next: 'gone' });
    const { actions, known } = story(
      [
        ['Undefined', 'Removed'],
        ['Stopped', 'Destroyed'],
      ],
      on,
    );
    expect(actions).toEqual(['instance.delete', 'instance.stop']);
    expect(known).toBeUndefined();
  });

  it('forgets a domain without a definition when it stops', () => {
    expect(story([['Stopped', 'Destroyed']], { state: 'running', persistent: false }).known).toBeUndefined();
  });

  it('is an update where a known domain is defined again', () => {
    expect(understand(event('Defined', 'Added'), on)?.action).toBe('instance.update');
    expect(understand(event('Defined', 'Updated'), off)?.action).toBe('instance.update');
    expect(understand(event('Defined', 'Renamed'), undefined)?.action).toBe('instance.rename');
  });

  it('never makes an act of the platform of what the guest may have done itself, or of a word that nobody knows', () => {
    expect(understand(event('', '', 'reboot'), on)?.action).toBe('libvirt.domain.reboot');
    expect(understand(event('PMSuspended', 'Memory'), on)?.action).toBe('libvirt.domain.pmsuspended');
    expect(understand(event('Suspended', 'Watchdog'), on)?.action).toBe('libvirt.domain.suspended');
    expect(understand(event('Levitated', 'Twice'), on)?.action).toBe('libvirt.domain.levitated');
  });

  it('is left out where it tells of clocks and balloons', () => {
    for (const name of ['rtc-change', 'balloon-change', 'job-completed', 'tray-change']) expect(understand(event('1', '', name), on)).toBeUndefined();
  });
});

describe('Two lists of domains', () => {
  const seen = (known: Known, uuid = 'u-1') => ({ ...known, uuid });
  const actions = (...[before, after]: Parameters<typeof movesBetween>) => movesBetween(before, after).map(({ action }) => action);

  it('that agree tell of nothing', () => {
    for (const known of [on, off, paused]) expect(actions(seen(known), seen(known))).toEqual([]);
  });

  it('tell of the fewest actions that lead from one to the other', () => {
    expect(actions(seen(off), seen(on))).toEqual(['instance.start']);
    expect(actions(seen(on), seen(off))).toEqual(['instance.stop']);
    expect(actions(seen(on), seen(paused))).toEqual(['instance.suspend']);
    expect(actions(seen(paused), seen(on))).toEqual(['instance.resume']);
    expect(actions(undefined, seen(on))).toEqual(['instance.create', 'instance.start']);
    expect(actions(undefined, seen({ ...on, persistent: false }))).toEqual(['instance.start']);
    expect(actions(seen(on), undefined)).toEqual(['instance.stop', 'instance.delete']);
    expect(actions(seen({ ...on, persistent: false }), undefined)).toEqual(['instance.stop']);
  });

  it('with another domain under the same name tell that one went and one came', () => {
    expect(movesBetween(seen(on), seen(off, 'u-2'))).toEqual([
      { action: 'instance.stop', uuid: 'u-1' },
      { action: 'instance.delete', uuid: 'u-1' },
      { action: 'instance.create', uuid: 'u-2' },
    ]);
  });
});
