import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT, type RunningGateway, raw, startGateway, through, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';

const ROUTES = `
version: 1
routes:
  - { method: GET, path: /v1/instances, action: instance.list, resource: { type: instance, id: "*" }, properties: { region: query.region } }
  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - { method: GET, path: /v1/volumes, action: volume.list, resource: { type: volume, id: "*" }, account: "{header.x-account}" }
  - { method: DELETE, path: "/v1/instances/{id}", action: instance.delete, resource: { type: instance, id: "{params.id}" }, entity: { on: deleted, type: instance, id: "{params.id}" } }
  - method: POST
    path: /v1/instances
    action: instance.create
    resource: { type: instance, id: "*" }
    properties: { plan: body.plan }
    entity: { on: created, type: instance, id: response.id, properties: { name: response.name, tags: response.tags } }
    name: response.name
  - { method: POST, path: "/v1/instances/{id}/actions", action: "instance.{body.action}", resource: { type: instance, id: "{params.id}" } }
  - { method: POST, path: /v1/instances/bulk-start, action: instance.start, resource: { type: instance, id: "*" }, each: body.ids }
  - { method: PUT, path: "/v1/images/{id}/content", action: image.import, resource: { type: image, id: "{params.id}" } }
  - { method: GET, path: /health, public: true, record: false }
  - { method: POST, path: /v1/login, public: true, login: { subject: body.email } }
`;

let upstream: Upstream;
let gateway: RunningGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(upstream.url, ROUTES);
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await upstream.stop();
});

describe('a request through the gateway', () => {
  it('is decided, forwarded, and recorded with the decision that allowed it', async () => {
    const answer = await through(gateway, 'GET', '/v1/instances/inst-1?token=hunter2', { 'x-request-id': 'req-get-1', 'user-agent': 'tests/1' });
    expect(answer.status, answer.body).toBe(200);
    expect(answer.headers['x-request-id']).toBe('req-get-1');
    expect(JSON.parse(answer.body)).toMatchObject({ method: 'GET', url: '/v1/instances/inst-1?token=hunter2' });
    const [decision, activity] = await gateway.events('req-get-1', 2);
    expect(decision).toMatchObject({ kind: 'decision', action: 'instance.get', result: 'allowed', account: ACCOUNT });
    expect(activity).toMatchObject({
      kind: 'activity',
      action: 'instance.get',
      result: 'success',
      account: ACCOUNT,
      source: 'gateway',
      caused_by: decision?.id,
      actor: { ip: '127.0.0.1', user_agent: 'tests/1', email: 'usr-dev@example.com' },
      resource: { type: 'instance', id: 'inst-1' },
      request: { id: 'req-get-1', method: 'GET', path: '/v1/instances/inst-1?token=…', status: 200 },
    });
    expect(activity?.request?.duration_ms).toBeGreaterThan(0);
  });

  it('that the policy denies is answered 403 with the reasons, and never reaches the upstream', async () => {
    const before = upstream.count();
    const answer = await through(gateway, 'DELETE', '/v1/instances/inst-1', { authorization: `Bearer ${tokens.viewer}`, 'x-request-id': 'req-del-1' });
    expect(answer.status).toBe(403);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    const problem = JSON.parse(answer.body);
    expect(problem).toMatchObject({ code: 'decision.denied', request_id: 'req-del-1', decision: answer.headers['x-verdict-decision'] });
    expect(problem.reasons.length).toBeGreaterThan(0);
    expect(upstream.count()).toBe(before);
    const [decision, activity] = await gateway.events('req-del-1', 2);
    expect(decision).toMatchObject({ kind: 'decision', result: 'denied' });
    expect(activity).toMatchObject({ kind: 'activity', result: 'failure', caused_by: decision?.id, request: { status: 403 } });
  });
});

describe('a request about a thing that the directory does not know', () => {
  it('is refused whoever asks, and never reaches the upstream', async () => {
    const before = upstream.count();
    const answer = await through(gateway, 'GET', '/v1/instances/inst-lost', { authorization: `Bearer ${tokens.developer}`, 'x-request-id': 'req-lost' });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'resource.unknown', detail: expect.stringContaining('instance/inst-lost') });
    expect(upstream.count()).toBe(before);
    const [event] = await gateway.events('req-lost', 1);
    expect(event).toMatchObject({ kind: 'activity', result: 'failure', actor: { id: 'tok-usr-dev' }, details: { code: 'resource.unknown' } });
  });
});

describe('who asks', () => {
  it('is told by the token’s hash; nobody is 401, and recorded', async () => {
    const before = upstream.count();
    for (const [id, authorization] of [
      ['req-401-a', ''],
      ['req-401-b', 'Bearer made-up'],
      ['req-401-c', 'Basic dXNyOnB3'],
    ] as const) {
      const answer = await through(gateway, 'GET', '/v1/instances/inst-1', { authorization, 'x-request-id': id });
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      const [event] = await gateway.events(id, 1);
      expect(event).toMatchObject({
        kind: 'activity',
        action: 'gateway.request',
        result: 'failure',
        source: 'gateway',
        actor: { type: 'anonymous', ip: '127.0.0.1' },
        request: { status: 401 },
      });
    }
    expect(upstream.count()).toBe(before);
  });

  it('reaches the upstream in the gateway’s words, not in the client’s', async () => {
    const answer = await through(gateway, 'GET', '/v1/instances/inst-1', {
      'x-verdict-subject-id': 'root',
      'x-forwarded-for': '1.2.3.4',
      x_verdict_account: 'acc-other',
    });
    const { headers } = JSON.parse(answer.body);
    expect(headers).toMatchObject({
      'x-verdict-subject-type': 'token',
      'x-verdict-subject-id': 'tok-usr-dev',
      'x-verdict-account': ACCOUNT,
      'x-forwarded-for': '127.0.0.1',
      via: '1.1 verdict',
    });
    expect(headers['x-verdict-decision']).toBe(answer.headers['x-verdict-decision']);
    expect(headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(headers['x-request-id']).toBe(answer.headers['x-request-id']);
    expect(Object.keys(headers)).not.toContain('x_verdict_account');
  });
});

describe('what is in no route', () => {
  it('is denied and recorded', async () => {
    const before = upstream.count();
    for (const [method, path, id] of [
      ['GET', '/v1/other', 'req-none-1'],
      ['PATCH', '/v1/instances/inst-1', 'req-none-2'],
      ['GET', '/v1/instances/', 'req-none-3'],
      ['GET', '/V1/instances', 'req-none-4'],
    ] as const) {
      const answer = await through(gateway, method, path, { 'x-request-id': id });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.body).code).toBe('route.unknown');
      const [event] = await gateway.events(id, 1);
      expect(event).toMatchObject({
        result: 'failure',
        details: { code: 'route.unknown' },
        actor: { type: 'token', id: 'tok-usr-dev' },
        request: { method, status: 403 },
      });
    }
    expect(upstream.count()).toBe(before);
  });

  it.each([
    '/v1/instances/..%2f..%2fadmin',
    '/v1/instances/%2e%2e/admin',
    '/v1/x/../instances',
    '/v1//instances',
    '/v1/instances/a%5cb',
    '/v1/instances/%00',
    '/v1/instances/%zz',
    '/v1/instances/%252e%252e',
    '/v1/instances/..;/x',
  ])('a target that would be another one to the next reader is refused: %s', async (path) => {
    const before = upstream.count();
    const heard = await raw(gateway, `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\nConnection: close\r\n\r\n`);
    expect(heard).toMatch(/^HTTP\/1\.1 400 /);
    expect(upstream.count()).toBe(before);
  });
});

describe('what the question rests on in the body', () => {
  it('is read once and goes on byte for byte', async () => {
    const body = '{ "action" :"start",\n "note": "caf\u00e9" }';
    const answer = await through(gateway, 'POST', '/v1/instances/inst-1/actions', { 'x-request-id': 'req-body-1' }, body);
    expect(answer.status, answer.body).toBe(200);
    expect(JSON.parse(answer.body).body).toBe(body);
    const [decision] = await gateway.events('req-body-1', 2);
    expect(decision?.action).toBe('instance.start');
  });

  it.each([
    ['two values for one name', '{"action":"start","action":"delete"}', {}, 400],
    ['half of it', '{"action":', {}, 400],
    ['another type', 'action=start', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['another charset', '{"action":"start","x":"+ACI-,+ACI-action+ACI-:+ACI-delete"}', { 'content-type': 'application/json; charset=utf-7' }, 415],
    ['a body whose type goes no further', '{"action":"start"}', { connection: 'content-type' }, 400],
    ['a compressed one', '{"action":"start"}', { 'content-encoding': 'gzip' }, 415],
    [
      'one that is another text in its charset',
      '{"action":"start","x":"+ACI-,+ACI-action+ACI-:+ACI-delete"}',
      { 'content-type': 'application/json; charset=utf-7' },
      415,
    ],
    ['none of it', '{}', {}, 400],
    ['an action that is none', '{"action":"START NOW"}', {}, 400],
    ['more than is read', `{"action":"start","x":"${'x'.repeat(300_000)}"}`, {}, 413],
  ] as const)('is refused as %s', async (_, body, headers, status) => {
    const before = upstream.count();
    const answer = await through(gateway, 'POST', '/v1/instances/inst-1/actions', headers, body);
    expect(answer.status, answer.body).toBe(status);
    expect(upstream.count()).toBe(before);
    expect((await gateway.events(answer.headers['x-request-id'] as string, 1))[0]).toMatchObject({ result: 'failure', request: { status } });
  });

  it('of a bulk request is one question for each, all of which must be allowed', async () => {
    const fine = await through(gateway, 'POST', '/v1/instances/bulk-start', { 'x-request-id': 'req-bulk-1' }, JSON.stringify({ ids: ['inst-1', 'inst-2'] }));
    expect(fine.status, fine.body).toBe(200);
    const events = await gateway.events('req-bulk-1', 3);
    expect(events.filter(({ kind }) => kind === 'decision')).toHaveLength(2);
    const activity = events.find(({ kind }) => kind === 'activity');
    expect(activity).toMatchObject({ action: 'instance.start', resource: { id: '*' }, details: { resources: ['inst-1', 'inst-2'], asked: 2 } });
    await gateway.api.json('PUT', '/v1/entities/instance/inst-foreign', { account: 'acc-foreign', properties: {} });
    const before = upstream.count();
    const mixed = await through(
      gateway,
      'POST',
      '/v1/instances/bulk-start',
      { 'x-request-id': 'req-bulk-2' },
      JSON.stringify({ ids: ['inst-1', 'inst-foreign'] }),
    );
    expect(mixed.status).toBe(403);
    expect(JSON.parse(mixed.body).resource).toBe('inst-foreign');
    expect(upstream.count()).toBe(before);
    const told = await gateway.events('req-bulk-2', 4);
    expect(
      told
        .filter(({ kind }) => kind === 'activity')
        .map(({ account }) => account)
        .sort(),
    ).toEqual(['acc-foreign', ACCOUNT]);
  });

  it.each([
    ['in two spellings', { 'x-account': ACCOUNT, x_account: 'acc-other' }],
    ['for one hop only', { 'x-account': ACCOUNT, connection: 'X-Account' }],
  ])('of a header that comes %s is refused, and recorded', async (_, headers) => {
    const before = upstream.count();
    expect((await through(gateway, 'GET', '/v1/volumes', { 'x-account': ACCOUNT })).status).toBe(200);
    const answer = await through(gateway, 'GET', '/v1/volumes', headers);
    expect(answer.status, answer.body).toBe(400);
    expect(upstream.count()).toBe(before + 1);
    expect((await gateway.events(answer.headers['x-request-id'] as string, 1))[0]).toMatchObject({ result: 'failure', request: { status: 400 } });
  });

  it('of a query that names it twice is refused', async () => {
    expect((await through(gateway, 'GET', '/v1/instances?region=a&region=b')).status).toBe(400);
    expect((await through(gateway, 'GET', '/v1/instances?other=a&other=b')).status).toBe(200);
  });
});

describe('entities follow', () => {
  it('what the upstream creates is known to the next question, and what it deletes no more', async () => {
    upstream.on('/v1/instances', (_, response) =>
      response.writeHead(201, { 'Content-Type': 'application/json' }).end('{"id":"inst-new","name":"db-1","tags":["prod"],"secret":"x"}'),
    );
    const made = await through(gateway, 'POST', '/v1/instances', { 'x-request-id': 'req-made-1', 'accept-encoding': 'gzip' }, '{"plan":"s-1"}');
    expect(made.status, made.body).toBe(201);
    expect(made.body).toBe('{"id":"inst-new","name":"db-1","tags":["prod"],"secret":"x"}');
    const entity = await gateway.api.json<{ data: object }>('GET', '/v1/entities/instance/inst-new');
    expect(JSON.stringify(entity)).toContain('"tags":["prod"]');
    expect(JSON.stringify(entity)).toContain(ACCOUNT);
    const events = await gateway.events('req-made-1', 3);
    expect(events.find(({ action, kind }) => kind === 'activity' && action === 'instance.create')).toMatchObject({
      resource: { type: 'instance', id: 'inst-new', name: 'db-1' },
      result: 'success',
    });
    const got = await through(gateway, 'GET', '/v1/instances/inst-new', { 'x-request-id': 'req-made-2' });
    expect(got.status).toBe(200);
    expect((await gateway.events('req-made-2', 2))[0]).toMatchObject({ account: ACCOUNT, resource: { name: 'db-1' } });
    const removable = await through(gateway, 'DELETE', '/v1/instances/inst-new', { 'x-request-id': 'req-made-3' });
    expect(removable.status, removable.body).toBe(200);
    expect((await gateway.api.call('GET', '/v1/entities/instance/inst-new')).status).toBe(404);
  });

  it.each([
    ['is no JSON', (body: string) => ({ 'Content-Type': 'text/plain', 'Content-Length': String(body.length) }), 'fine', 'answer.unreadable'],
    ['has no id', () => ({ 'Content-Type': 'application/json' }), '{"name":"x"}', 'entity.id'],
    ['is over the bound', () => ({ 'Content-Type': 'application/json' }), `{"id":"${'x'.repeat(1_100_000)}"}`, 'answer.too_large'],
    ['names what no directory holds', () => ({ 'Content-Type': 'application/json' }), `{"id":"${'x'.repeat(300)}"}`, 'entity.invalid'],
  ])('an answer that %s goes on, and an error event says so', async (_, headers, body, code) => {
    upstream.on('/v1/instances', (__, response) => response.writeHead(201, headers(body)).end(body));
    const answer = await through(gateway, 'POST', '/v1/instances', {}, '{"plan":"s-1"}');
    expect(answer.status).toBe(201);
    expect(answer.body).toBe(body);
    const events = await gateway.events(answer.headers['x-request-id'] as string, 3);
    expect(events.find(({ action }) => action === 'gateway.entity_failed')).toMatchObject({ result: 'error', details: { code } });
    expect(events.find(({ action, kind }) => action === 'instance.create' && kind === 'activity')).toMatchObject({ result: 'success' });
  });

  it('an answer that is no success writes nothing', async () => {
    upstream.on('/v1/instances', (_, response) => response.writeHead(422, { 'Content-Type': 'application/json' }).end('{"id":"inst-not"}'));
    const answer = await through(gateway, 'POST', '/v1/instances', { 'x-request-id': 'req-422' }, '{}');
    expect(answer.status).toBe(422);
    expect((await gateway.api.call('GET', '/v1/entities/instance/inst-not')).status).toBe(404);
    const events = await gateway.events('req-422', 2);
    expect(events.at(-1)).toMatchObject({ kind: 'activity', result: 'failure', request: { status: 422 } });
  });
});

describe('a login', () => {
  it.each([
    [200, 'success'],
    [401, 'failure'],
    [500, 'error'],
  ] as const)('answered %i is an auth.login with the address, and no password', async (status, result) => {
    upstream.on('/v1/login', (_, response) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end('{"token":"secret-token-of-the-upstream"}'),
    );
    const id = `req-login-${status}`;
    const body = '{"email":"ada@example.com","password":"hunter2-hunter2"}';
    const answer = await through(gateway, 'POST', '/v1/login', { authorization: '', 'x-request-id': id }, body);
    expect(answer.status).toBe(status);
    const [event] = await gateway.events(id, 1);
    expect(event).toMatchObject({ kind: 'activity', action: 'auth.login', result, actor: { email: 'ada@example.com', ip: '127.0.0.1' }, request: { status } });
    expect(JSON.stringify(event)).not.toMatch(/hunter2|secret-token/);
  });
});

describe('a public route', () => {
  it('asks nobody, and is not recorded where the table says so', async () => {
    const answer = await through(gateway, 'GET', '/health', { authorization: '', 'x-request-id': 'req-health' });
    expect(answer.status).toBe(200);
    await through(gateway, 'GET', '/v1/instances/inst-1', { 'x-request-id': 'req-after-health' });
    await gateway.events('req-after-health', 2);
    const { data } = await gateway.api.json<{ data: { events: readonly unknown[] } }>('GET', '/v1/audit-logs?request_id=req-health');
    expect(data.events).toEqual([]);
  });
});

describe('HTTP', () => {
  it('HEAD, 204 and 304 have no body, and their lengths stay', async () => {
    upstream.on('/v1/instances/inst-1', (request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': '1234', ETag: '"a"' }).end();
      else if (request.headers['if-none-match']) response.writeHead(304, { ETag: '"a"' }).end();
      else response.writeHead(204).end();
    });
    const head = await through(gateway, 'HEAD', '/v1/instances/inst-1');
    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '1234', '']);
    const cached = await through(gateway, 'GET', '/v1/instances/inst-1', { 'if-none-match': '"a"' });
    expect([cached.status, cached.headers['etag'], cached.body]).toEqual([304, '"a"', '']);
    const empty = await through(gateway, 'GET', '/v1/instances/inst-1');
    expect([empty.status, empty.headers['content-length'], empty.headers['transfer-encoding']]).toEqual([204, undefined, undefined]);
    upstream.on('/v1/instances/inst-1', (_, response, hit) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(hit)));
  });

  it('every Set-Cookie comes through, and trailers both ways', async () => {
    upstream.onRaw('/v1/images/img-1/content', (request, response) => {
      request.resume();
      request.on('end', () => {
        response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Trailer', 'X-Sum']);
        response.write('body');
        response.addTrailers({ 'X-Sum': String(request.trailers['x-sum']) });
        response.end();
      });
    });
    await gateway.api.json('PUT', '/v1/entities/image/img-1', { account: ACCOUNT, properties: {} });
    const heard = await raw(
      gateway,
      `PUT /v1/images/img-1/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n`,
    );
    expect(heard).toContain('200 OK');
    expect(heard.match(/Set-Cookie: /g)).toHaveLength(2);
    expect(heard).toMatch(/X-Sum: 42/);
  });

  it('103 comes before the answer, and 100 when the upstream wants the body', async () => {
    upstream.onRaw('/v1/images/img-1/content', (request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      setTimeout(() => {
        response.writeContinue();
        request.resume();
        request.on('end', () => response.end('done'));
      }, 50);
    });
    const seen: number[] = [];
    const answer = await new Promise<string>((done, failed) => {
      const outgoing = httpRequest({
        host: '127.0.0.1',
        port: gateway.port,
        method: 'PUT',
        path: '/v1/images/img-1/content',
        headers: { authorization: `Bearer ${tokens.developer}`, expect: '100-continue', 'content-length': '5' },
      });
      outgoing.on('information', ({ statusCode }) => seen.push(statusCode));
      outgoing.on('continue', () => {
        seen.push(-100);
        outgoing.end('hello');
      });
      outgoing.on('response', (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
        response.on('end', () => done(`${response.statusCode} ${text}`));
      });
      outgoing.on('error', failed);
      outgoing.flushHeaders();
    });
    expect(answer).toBe('200 done');
    expect(seen).toContain(103);
    expect(seen.indexOf(103)).toBeLessThan(seen.indexOf(-100));
  });

  it('a denied request that waits for 100 Continue is told so before it sends anything', async () => {
    const before = upstream.count();
    const heard = await raw(
      gateway,
      `PUT /v1/images/img-1/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.viewer}\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n`,
    );
    expect(heard).toMatch(/^HTTP\/1\.1 403 /);
    expect(heard).not.toContain('100 Continue');
    expect(upstream.count()).toBe(before);
  });

  it('an HTTP/1.0 client gets its answer, and its connection is closed', async () => {
    const heard = await raw(gateway, `GET /v1/instances/inst-1 HTTP/1.0\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`);
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    expect(heard).not.toMatch(/Transfer-Encoding/i);
  });

  it('a client that offers h2c is answered in HTTP/1.1, its body and all', async () => {
    const body = '{"action":"start"}';
    const heard = await raw(
      gateway,
      `POST /v1/instances/inst-1/actions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    expect(JSON.parse(heard.slice(heard.indexOf('{"method"'), heard.lastIndexOf('}') + 1))).toMatchObject({ body });
  });

  it('several requests on one connection are answered in their order', async () => {
    const one = (id: string): string =>
      `GET /v1/instances/inst-1?n=${id} HTTP/1.1\r\nHost: a\r\nX-Request-ID: ${id}\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`;
    const heard = await raw(gateway, ['p1', 'p2', 'p3'].map(one).join(''));
    expect([...heard.matchAll(/^X-Request-ID: (p\d)/gim)].map(([, id]) => id)).toEqual(['p1', 'p2', 'p3']);
  });
});

describe('an upload', () => {
  it('goes through byte for byte, and slows down with its taker', { timeout: 60_000 }, async () => {
    const hash = createHash('sha256');
    let bytes = 0;
    upstream.onRaw('/v1/images/img-1/content', (request, response) => {
      request.on('data', (piece: Buffer) => {
        bytes += piece.length;
        hash.update(piece);
      });
      request.on('end', () => response.end(String(bytes)));
    });
    const piece = Buffer.alloc(64 * 1024, 'v');
    const mine = createHash('sha256');
    const answer = await new Promise<string>((done, failed) => {
      const outgoing = httpRequest(
        { host: '127.0.0.1', port: gateway.port, method: 'PUT', path: '/v1/images/img-1/content', headers: { authorization: `Bearer ${tokens.developer}` } },
        (response) => {
          let text = '';
          response.on('data', (part: Buffer) => {
            text += part.toString();
          });
          response.on('end', () => done(text));
        },
      );
      outgoing.on('error', failed);
      let left = 256;
      const write = (): void => {
        while (left > 0) {
          left -= 1;
          mine.update(piece);
          if (!outgoing.write(piece)) return void outgoing.once('drain', write);
        }
        outgoing.end();
      };
      write();
    });
    expect(Number(answer)).toBe(256 * piece.length);
    expect(hash.digest('hex')).toBe(mine.digest('hex'));
  });
});

describe('operation', () => {
  it('metrics count what was answered, refused and followed', async () => {
    const { body } = await gateway.api.call('GET', '/metrics');
    for (const name of [
      'verdict_gateway_seconds_count{status="200"}',
      'verdict_gateway_refused_total{code="decision.denied"}',
      'verdict_gateway_entities_total{outcome="written"}',
      'verdict_gateway_breaker_open 0',
    ])
      expect(body).toContain(name);
  });

  it('readiness names the upstream', async () => {
    const { body } = await gateway.api.call('GET', '/readyz');
    expect(JSON.parse(body)).toMatchObject({ parts: expect.arrayContaining([{ name: 'upstream', ok: true }]) });
  });
});
