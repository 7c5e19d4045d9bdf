import { describe, expect, it } from 'vitest';
import { fromCloudEvent, fromHeaders, isBinary } from './cloudevents.js';

const data = { actor: { type: 'user', id: 'usr-1' }, result: 'success' };
const event = {
  specversion: '1.0',
  id: 'e-1',
  source: '/libvirt/host-7',
  type: 'instance.start',
  time: '2026-11-22T10:00:00Z',
  subject: 'instance/inst-1',
  data,
};

describe('A CloudEvent', () => {
  it('becomes an event: its attributes and its data', () => {
    expect(fromCloudEvent({ ...event, traceparent: '00-ab', datacontenttype: 'application/json' })).toEqual({
      ok: true,
      value: {
        ...data,
        id: 'e-1',
        timestamp: '2026-11-22T10:00:00Z',
        action: 'instance.start',
        resource: { type: 'instance', id: 'inst-1' },
        details: { ce_source: '/libvirt/host-7', ce_traceparent: '00-ab' },
      },
    });
  });

  it('keeps the resource and the details of its data', () => {
    const found = fromCloudEvent({ ...event, data: { ...data, resource: { type: 'server', id: 's' }, details: { plan: 'small' } } });
    expect(found).toMatchObject({ value: { resource: { type: 'server', id: 's' }, details: { plan: 'small', ce_source: '/libvirt/host-7' } } });
  });

  it('is refused where it is none, or contradicts itself', () => {
    for (const bad of [
      1,
      [],
      { ...event, specversion: '0.3' },
      { ...event, id: '' },
      { ...event, source: 1 },
      { ...event, time: undefined as never },
      { ...event, data: 'text' },
      { ...event, data_base64: 'AA==' },
      { ...event, data: { ...data, id: 'other' } },
      { ...event, data: { ...data, details: 1 } },
    ])
      expect(fromCloudEvent(bad), JSON.stringify(bad)).toMatchObject({ ok: false, code: 'cloudevent.invalid' });
  });

  it('comes in headers too, percent-encoded', () => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': 'e-1',
      'ce-source': '/a%20b',
      'ce-type': 't',
      'ce-time': event.time,
      'content-type': 'application/json',
    };
    expect(isBinary(headers)).toBe(true);
    expect(isBinary({ 'content-type': 'application/json' })).toBe(false);
    expect(fromHeaders(headers, data)).toMatchObject({ ok: true, value: { id: 'e-1', action: 't', details: { ce_source: '/a b' } } });
    expect(fromHeaders({ ...headers, 'ce-id': '%zz' }, data)).toMatchObject({ ok: false });
    expect(fromHeaders({ ...headers, 'ce-data': 'x' }, data)).toMatchObject({ ok: false });
    expect(fromHeaders({ ...headers, 'ce-id': 'a%00' }, data)).toMatchObject({ ok: false });
  });
});
