import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiDeps } from '../../../src/api/index.js';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

describe('Health', () => {
  it('is told to anybody', async () => {
    expect(await rig.call('GET', '/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await rig.call('GET', '/readyz')).toMatchObject({ status: 200, json: { status: 'ok', parts: [{ name: 'journal', ok: true }] } });
    expect(await rig.call('HEAD', '/healthz')).toMatchObject({ status: 200, text: '' });
  });

  it('names the part that is not ready', async () => {
    const parts = [
      { name: 'journal', ok: true },
      { name: 'store', ok: false, message: 'It is 4000 events behind.' },
    ];
    const other = await startRig(() => ({ ready: () => ({ ok: false, parts }) }));
    expect(await other.call('GET', '/readyz')).toMatchObject({ status: 503, json: { code: 'not_ready', parts, detail: 'store: It is 4000 events behind.' } });
    await other.stop();
  });
});

describe('Metrics and the description', () => {
  it('are for credentials only', async () => {
    expect(await rig.call('GET', '/metrics', { as: 'admin' })).toMatchObject({ status: 200 });
    expect(await rig.call('GET', '/metrics', { as: 'nothing' })).toMatchObject({ status: 403 });
    expect(await rig.call('GET', '/metrics')).toMatchObject({ status: 401 });
    expect(await rig.call('GET', '/openapi.json')).toMatchObject({ status: 401 });
    const described = await rig.call('GET', '/openapi.json', { as: 'nothing' });
    expect(described.json).toMatchObject({ openapi: '3.1.0' });
    expect(Object.keys(described.json.paths)).toEqual(expect.arrayContaining(['/v1/events', '/v1/audit-logs/{id}', '/openapi.json']));
    const operations = Object.values(described.json.paths as { [path: string]: { [method: string]: { operationId: string } } }).flatMap((path) =>
      Object.values(path).map((one) => one.operationId),
    );
    expect(new Set(operations).size).toBe(operations.length);
  });
});

describe('Quarantine', () => {
  it('is listed and replayed by those who run Verdict', async () => {
    const listed = await rig.call('GET', '/v1/quarantine?limit=1', { as: 'admin' });
    expect(listed).toMatchObject({ json: { data: { events: [{ id: 'q1', line: '{"a":1}' }], next_cursor: 'q1' } } });
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'quarantine.read', account: 'verdict', details: { rows: 1 } });
    expect(await rig.call('POST', '/v1/quarantine/replay', { as: 'admin', body: { ids: ['q1', 'q2'] } })).toMatchObject({
      json: {
        data: {
          events: [
            { id: 'q1', outcome: 'accepted' },
            { id: 'q2', outcome: 'not_found' },
          ],
        },
      },
    });
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'quarantine.replay', details: { asked: 2, accepted: 1 } });
    expect(await rig.call('POST', '/v1/quarantine/replay', { as: 'admin' })).toMatchObject({ json: { data: { events: [{ id: 'q1' }] } } });
    expect(await rig.call('POST', '/v1/quarantine/replay', { as: 'admin', body: { id: 'q1' } })).toMatchObject({ status: 400 });
    expect(await rig.call('GET', '/v1/quarantine', { as: 'acme' })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(await rig.call('GET', '/v1/quarantine', { as: 'nothing' })).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
  });
});

describe('A replay', () => {
  it('is a 503 while the store is away', async () => {
    const away = async (): Promise<never> => {
      throw new Error('the store is away');
    };
    const other = await startRig((deps) => ({ quarantine: { ...deps.quarantine, replay: away } }));
    expect(await other.call('POST', '/v1/quarantine/replay', { as: 'admin' })).toMatchObject({ status: 503, json: { code: 'store.unavailable' } });
    await other.stop();
  });
});

describe('Keys', () => {
  const wish = { name: 'collector', accounts: ['acc-1'], permissions: ['event.record'] };

  it('are made, listed, rotated and revoked', async () => {
    const made = await rig.call('POST', '/v1/keys', { as: 'acme', body: wish });
    expect(made).toMatchObject({ status: 201, json: { data: { key: { name: 'collector' }, secret: expect.any(String) } } });
    const { key, secret } = made.json.data;
    const listed = await rig.call('GET', '/v1/keys', { as: 'acme' });
    expect(listed.json.data.keys).toMatchObject([{ id: key.id, accounts: ['acc-1'] }]);
    for (const answer of [listed.text, JSON.stringify(key)]) expect(answer).not.toMatch(new RegExp(`hash|${secret}`));
    expect((await rig.call('GET', '/v1/keys', { as: 'acme' })).text).not.toContain(secret);
    const rotated = await rig.call('POST', `/v1/keys/${key.id}/rotate`, { as: 'acme' });
    expect(rotated).toMatchObject({ status: 201, json: { data: { key: { rotated_from: key.id } } } });
    expect(await rig.call('DELETE', `/v1/keys/${key.id}`, { as: 'acme' })).toMatchObject({ status: 204 });
    expect(await rig.call('DELETE', '/v1/keys/k9', { as: 'acme' })).toMatchObject({ status: 404, json: { code: 'key.unknown' } });
  });

  it('of other accounts are out of reach', async () => {
    const { key } = (await rig.call('POST', '/v1/keys', { as: 'admin', body: { ...wish, accounts: ['acc-2'] } })).json.data;
    expect((await rig.call('GET', '/v1/keys', { as: 'acme' })).text).not.toContain(key.id);
    expect(await rig.call('DELETE', `/v1/keys/${key.id}`, { as: 'acme' })).toMatchObject({ status: 404 });
    expect(await rig.call('POST', `/v1/keys/${key.id}/rotate`, { as: 'acme' })).toMatchObject({ status: 404 });
    expect(await rig.call('POST', '/v1/keys', { as: 'acme', body: { ...wish, accounts: ['acc-2'] } })).toMatchObject({
      status: 403,
      json: { code: 'caller.account' },
    });
    expect(rig.refusals.at(-1)).toMatchObject({ code: 'caller.account', caller: 'key:acme' });
  });

  it('are refused where the wish makes no sense or the caller may not', async () => {
    for (const body of [{}, { ...wish, permissions: [] }, { ...wish, permissions: ['root'] }, { ...wish, accounts: 'some' }, { ...wish, hash: 'x' }])
      expect(await rig.call('POST', '/v1/keys', { as: 'acme', body })).toMatchObject({ status: 400, json: { code: 'body.invalid' } });
    expect(await rig.call('POST', '/v1/keys', { as: 'nothing', body: wish })).toMatchObject({ status: 403 });
    expect(await rig.call('POST', '/v1/keys', { as: 'acme', body: { ...wish, name: 'pdp' } })).toMatchObject({
      status: 422,
      json: { code: 'source.reserved' },
    });
    for (const expires of ['2020-01-01T00:00:00Z', 'soon'])
      expect(await rig.call('POST', '/v1/keys', { as: 'acme', body: { ...wish, expires } })).toMatchObject({ status: 422, json: { code: 'key.expires' } });
  });
});

describe('Every address', () => {
  it('that is none is a 404, and of another method a 405 that says which', async () => {
    expect(await rig.call('GET', '/v1/nothing')).toMatchObject({ status: 404, json: { code: 'route.unknown' } });
    expect(await rig.call('GET', '/v1/events/')).toMatchObject({ status: 404 });
    expect(await rig.call('GET', '/access/v1/evaluation')).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(await rig.call('POST', '/v1/entities/a/b', { as: 'admin', body: {} })).toMatchObject({ status: 405, headers: { allow: 'PUT, GET, PATCH, DELETE' } });
    expect(await rig.call('OPTIONS', '/v1/events')).toMatchObject({ status: 405 });
  });

  it('echoes a request id of the right form and makes one otherwise', async () => {
    const idOf = async (sent: string) => (await rig.call('GET', '/v1/nothing', { headers: { 'x-request-id': sent } })).json.request_id;
    expect(await idOf('abc-1.2_3')).toBe('abc-1.2_3');
    for (const bad of ['a b', '<script>', 'x'.repeat(129), '"']) expect(await idOf(bad)).toMatch(/^req-/);
  });

  it('refuses a request that is not one, and goes on', async () => {
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(rig.port, '127.0.0.1', () => socket.write(text));
        let heard = '';
        socket.on('data', (bytes) => {
          heard += bytes;
          socket.end();
        });
        socket.on('close', () => resolve(heard));
      });
    expect(await say('GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/);
    expect(await say('GET \\evil HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/);
    expect(await say('GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 404/);
    expect(await rig.call('GET', '/healthz')).toMatchObject({ status: 200 });
  });

  it('answers a failure of its own with the request id, and nothing of the inside', async () => {
    const lines: unknown[] = [];
    const log = { info: () => undefined, warn: () => undefined, error: (...line: unknown[]) => lines.push(line) };
    const keys = (deps: ApiDeps) => ({
      ...deps.keys,
      list: () => {
        throw new Error('password=hunter2');
      },
    });
    const other = await startRig((deps) => ({ log, keys: keys(deps) }));
    const failed = await other.call('GET', '/v1/keys', { as: 'acme', headers: { 'x-request-id': 'r-7' } });
    expect(failed).toMatchObject({ status: 500, json: { code: 'internal', request_id: 'r-7' } });
    expect(failed.text).not.toContain('hunter2');
    expect(lines).toMatchObject([[{ request_id: 'r-7' }, expect.any(String)]]);
    await other.stop();
  });

  it('is logged without what was sent', async () => {
    const lines: object[] = [];
    const other = await startRig(() => ({ log: { info: (line: object) => lines.push(line), warn: () => undefined, error: () => undefined } }));
    await other.call('GET', '/v1/audit-logs?user=anna@example.com', { as: 'acme' });
    expect(lines).toMatchObject([{ method: 'GET', path: '/v1/audit-logs', status: 503, caller: 'key:acme', code: 'store.unavailable' }]);
    expect(JSON.stringify(lines)).not.toMatch(/anna|Bearer/);
    await other.stop();
  });
});
