import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway, through } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';

const DOCUMENT = {
  openapi: '3.1.0',
  info: { title: 'Instances', version: '1' },
  paths: {
    '/v1/instances/{id}': {
      get: { 'x-verdict-action': 'instance.get', 'x-verdict-resource': { type: 'instance', id: '{params.id}' }, responses: {} },
      delete: { responses: {} },
    },
  },
};

let upstream: Upstream;
let gateway: RunningGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.onRaw('/openapi.json', (_, response) => void response.setHeader('content-type', 'application/json').end(JSON.stringify(DOCUMENT)));
  gateway = await startGateway(upstream.url, `${upstream.url}/openapi.json`);
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await upstream.stop();
});

describe('a gateway by the upstream’s own OpenAPI document', () => {
  it('decides on the operations that say their action, and denies the others', async () => {
    expect((await through(gateway, 'GET', '/v1/instances/inst-1', { 'x-request-id': 'req-openapi-1' })).status).toBe(200);
    const events = await gateway.events('req-openapi-1', 2);
    expect(events.map(({ kind, action }) => `${kind} ${action}`).sort()).toEqual(['activity instance.get', 'decision instance.get']);
    const denied = await through(gateway, 'DELETE', '/v1/instances/inst-1');
    expect([denied.status, JSON.parse(denied.body).code]).toEqual([403, 'route.unknown']);
  });

  it('has the same table for the proxies that ask its node', async () => {
    const ask = async (path: string): Promise<string> => {
      const headers = { 'x-verdict-key': gateway.node.token, 'x-forwarded-method': 'GET', 'x-forwarded-uri': path };
      return ((await (await fetch(`${gateway.node.url}/v1/ext-authz/caddy`, { headers })).json()) as { readonly code: string }).code;
    };
    expect(await ask('/v1/instances/inst-1')).toBe('credential.missing');
    expect(await ask('/v1/other')).toBe('route.unknown');
  });
});
