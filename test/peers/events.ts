import { type Event, type EventDraft, newEventId, place, toLine } from '../../src/event/index.js';

/** A log's id for tests: a ULID that differs in its last places. */
export const testLog = (n: number): string => `01JD00000000000000000000${String(n).padStart(2, '0')}`;

/** A whole activity, with what `more` says otherwise. */
export const anEvent = (more: Partial<Event> & { readonly seq: number }): Event => {
  const timestamp = more.timestamp ?? '2026-11-20T10:00:00.000Z';
  const draft: EventDraft = {
    id: newEventId(),
    timestamp,
    account: 'acc-1',
    kind: 'activity',
    actor: { type: 'user', id: 'usr-1', email: 'ada@example.com', ip: '198.51.100.7' },
    action: 'instance.create',
    resource: { type: 'instance', id: 'inst-1', name: 'web-1' },
    result: 'success',
    details: { plan: 's-2vcpu', image: 'ubuntu-24.04' },
    request: { id: 'req-1', method: 'POST', path: '/v1/instances', status: 201, duration_ms: 12 },
    region: 'lagos-1',
    source: 'libvirt',
  };
  return { ...place({ ...draft, ...more }, { log: more.log ?? testLog(1), seq: more.seq }, more.recorded ?? timestamp), ...more };
};

/** Events as the store takes them. */
export const ndjson = (events: readonly Event[]): Buffer => Buffer.from(events.map((event) => `${toLine(event)}\n`).join(''));
