import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Json } from '../event/index.js';
import { loadRoutes, routesFromOpenApi } from './load.js';
import { questionsOf } from './questions.js';
import { type EndUser, type RouteMatch, RoutesError } from './types.js';

const table = (routes: string) => loadRoutes(`version: 1\nroutes:\n${routes}`, 'routes.yaml');
const SAMPLE = `
  - { method: GET, path: /health, public: true, record: false }
  - { method: GET, path: /v1/instances, action: instance.list, resource: { type: instance, id: '*' }, properties: { page: query.page } }
  - { method: POST, path: /v1/instances, action: instance.create, resource: { type: instance, id: '*' }, account: '{header.X-Account}', properties: { plan: body.plan, tags: body.tags }, context: { ticket: header.x-break-glass }, name: response.name, entity: { on: created, type: instance, id: response.id, properties: { tags: response.tags } } }
  - { method: GET, path: '/v1/instances/{id}', action: instance.get, resource: { type: instance, id: '{params.id}' } }
  - { method: GET, path: /v1/instances/export, action: instance.export, resource: { type: instance, id: '*' } }
  - { method: POST, path: '/v1/instances/{id}/actions', action: 'instance.{body.action}', resource: { type: instance, id: '{params.id}' } }
  - { method: POST, path: /v1/instances/bulk, action: instance.start, resource: { type: instance, id: '*' }, each: body.ids }
  - { method: [PUT, DELETE], path: '/v1/files/{path...}', action: file.write, resource: { type: file, id: '{params.path}' } }
`;
const routes = table(SAMPLE);
const ada: EndUser = { subject: { type: 'token', id: 'tok-1' }, account: 'acc-1', token: 'tok-1' };
const matched = (method: string, target: string): RouteMatch => {
  const found = routes.match(method, target);
  if (found.kind !== 'route') throw new Error(`${method} ${target}: ${found.kind}`);
  return found;
};
const asked = (method: string, target: string, body?: Json, headers: Record<string, string> = {}) =>
  questionsOf(matched(method, target), { method, target, headers, ...(body !== undefined && { body }) }, ada);

describe('a route table', () => {
  it('matches method and path, a literal before a parameter', () => {
    expect(matched('GET', '/v1/instances/inst-1')).toMatchObject({ route: { name: 'GET /v1/instances/{id}' }, params: { id: 'inst-1' } });
    expect(matched('GET', '/v1/instances/export').route.name).toBe('GET /v1/instances/export');
    expect(matched('HEAD', '/v1/instances/inst-1').route.name).toBe('GET /v1/instances/{id}');
    expect(matched('PUT', '/v1/files/a/b/c.txt').params).toEqual({ path: 'a/b/c.txt' });
  });

  it.each([
    ['GET', '/v1/Instances'],
    ['GET', '/v1/instances/'],
    ['GET', '/v1/instances/a/b'],
    ['DELETE', '/v1/instances/inst-1'],
    ['PUT', '/v1/files'],
    ['PUT', '/v1/files/'],
    ['get', '/v1/instances'],
  ])('does not know %s %s', (method, target) => {
    expect(routes.match(method, target).kind).toBe('none');
  });

  it('says which routes need the body', () => {
    expect(routes.routes.filter(routes.needsBody).map(({ name }) => name)).toEqual([
      'POST /v1/instances',
      'POST /v1/instances/{id}/actions',
      'POST /v1/instances/bulk',
    ]);
  });

  it('with several mistakes names each in its line', () => {
    const two = '  - { method: GET, path: /a, actoin: a.b }\n  - { path: /b, public: true }\n  - { method: GET, path: /c, public: true, recrd: false }';
    for (const line of ['line 3: "actoin"', 'line 4: "method" is missing.', 'line 5: "recrd" is no word of it; did you mean "record"?'])
      expect(() => table(two)).toThrow(line);
    expect(() => loadRoutes('version: 2\nroutes: [{ method: GET, path: /, public: true }]', 'x')).toThrow('the table: version: must be 1, not 2.');
  });

  it.each([
    ["- { method: GET, path: /a, action: a.b, resource: { type: t, id: '{params.id}' } }", 'line 3 (GET /a): resource.id: the path has no {id}.'],
    ['- { method: GET, path: /a }', 'action: missing'],
    ['- { method: GET, path: /a, public: true, action: a.b }', 'a public route asks no question'],
    ["- { method: GET, path: '/a/{x}/{x}', action: a.b, resource: { type: t, id: '*' } }", 'has {x} twice'],
    [
      "- { method: POST, path: /a, action: a.b, resource: { type: t, id: '*' }, entity: { on: created, type: t, each: body.ids, id: response.id } }",
      'is not in the answer',
    ],
    ["- { method: GET, path: '/a/{x...}/b', action: a.b, resource: { type: t, id: '*' } }", 'must be the last segment'],
    ["- { method: GET, path: /a, action: a.b, resource: { type: t, id: '{response.id}' } }", 'is not known yet when the question is asked'],
    ["- { method: POST, path: /a, action: a.b, resource: { type: t, id: '*' }, record: false }", 'only reads can go unrecorded'],
    [
      "- { method: GET, path: '/a/{x}', action: a.b, resource: { type: t, id: '*' } }\n  - { method: GET, path: '/a/{y}', action: a.c, resource: { type: t, id: '*' } }",
      'match the same GET requests',
    ],
    ['- { method: GET, path: /a, actoin: a.b }', 'line 3: "actoin" is no word of it; did you mean "action"?'],
    ['- { method: GETT, path: /a, action: a.b }', 'line 3: method: "GETT" is none of its values; did you mean "GET"?'],
    ['- { method: [GET, put], path: /a, action: a.b }', 'line 3: method.1: "put" is none of its values; did you mean "PUT"?'],
    ["- { method: GET, path: /a, action: a.b, resource: { typ: t, id: '*' } }", 'line 3: resource: "typ" is no word of it; did you mean "type"?'],
    ['- { method: GET, path: /a, public: yes please }', 'line 3: public: must be boolean'],
    ["- { method: GET, path: /a, action: a.b, resource: { type: t, id: '*' }, properties: { page: qery.page } }", 'properties.page: "qery.page" is no value'],
    [
      "- { method: GET, path: /a, public: true, entity: { on: create, type: t, id: '*' } }",
      'entity.on: "create" is none of its values; did you mean "created"?',
    ],
    ['- [', "can't be read as YAML"],
  ])('with a mistake is refused, and the place is named: %s', (text, sentence) => {
    expect(() => table(`  ${text}`)).toThrow(RoutesError);
    expect(() => table(`  ${text}`)).toThrow(sentence);
  });
});

describe('the tables in the documentation', () => {
  it.each(['docs/routes.md', 'docs/gateway.md', 'docs/integrations/proxies.md'])('%s: can be used as they stand', (page) => {
    const text = readFileSync(resolve(import.meta.dirname, '../..', page), 'utf8');
    const tables = [...text.matchAll(/```yaml\n(version: 1[\s\S]*?)```/g)].map(([, yaml]) => loadRoutes(yaml as string, page));
    expect(tables.map(({ routes: read }) => read.length > 3)).toEqual([true]);
  });
});

describe('the questions of a request', () => {
  it('have the action and the resource of the route, and what it picks', () => {
    expect(asked('POST', '/v1/instances', { plan: 's', tags: ['a'], extra: 1 }, { 'x-account': 'acc-2', 'x-break-glass': 'T-1' })).toEqual({
      ok: true,
      questions: [
        {
          subject: { type: 'token', id: 'tok-1' },
          action: { name: 'instance.create' },
          resource: { type: 'instance', id: '*', properties: { plan: 's', tags: ['a'] } },
          context: { ticket: 'T-1', account: 'acc-2', token: 'tok-1' },
        },
      ],
    });
    expect(asked('GET', '/v1/instances?page=3')).toMatchObject({ questions: [{ resource: { properties: { page: '3' } }, context: { account: 'acc-1' } }] });
  });

  it('are one for each element of a bulk request', () => {
    expect(asked('POST', '/v1/instances/bulk', { ids: ['a', 'b'] })).toMatchObject({ questions: [{ resource: { id: 'a' } }, { resource: { id: 'b' } }] });
    for (const ids of [[], 'a', [1], [''], undefined, Array.from({ length: 1_001 }, () => 'a')])
      expect(asked('POST', '/v1/instances/bulk', ids === undefined ? {} : { ids })).toMatchObject({ ok: false, status: 400 });
  });

  it.each([
    ['PUT', `/v1/files/${'a'.repeat(257)}`, undefined],
    ['GET', '/v1/instances?page=1&page=2', undefined],
    ['GET', '/v1/instances?page=%00', undefined],
    ['POST', '/v1/instances/bulk', { ids: ['a', 'b\nc'] }],
    ['POST', '/v1/instances/bulk', { ids: ['\ud800'] }],
  ])('are none where no event could hold them, or nobody could tell what is meant: %s %s %o', (method, target, body) => {
    expect(asked(method, target, body)).toMatchObject({ ok: false, status: 400, code: 'route.value_invalid' });
  });

  it('have an account that an event can belong to', () => {
    for (const account of ['a'.repeat(129), 'a\u0001'])
      expect(asked('POST', '/v1/instances', {}, { 'x-account': account })).toMatchObject({ ok: false, code: 'route.value_invalid' });
  });

  it.each([
    ['is spelled in two ways', { 'x-account': 'acc-1', x_account: 'acc-2' }],
    ['goes no further than one hop', { 'x-account': 'acc-1', connection: 'keep-alive, X-Account' }],
    ['is not there, but in another spelling', { 'x-account': 'acc-1', 'x_break-glass': 'T-1' }],
  ])('refuses a header that the question rests on and that %s', (_, headers) => {
    expect(asked('POST', '/v1/instances', {}, headers)).toMatchObject({ ok: false, status: 400, code: 'route.value_invalid' });
  });

  it('take nothing for an action that is none', () => {
    expect(asked('POST', '/v1/instances/a/actions', { action: 'start' })).toMatchObject({ questions: [{ action: { name: 'instance.start' } }] });
    expect(asked('POST', '/v1/instances/a/actions', { action: 'Start it' })).toMatchObject({ ok: false, code: 'route.value_invalid' });
    expect(asked('POST', '/v1/instances/a/actions', {})).toMatchObject({
      ok: false,
      code: 'route.value_missing',
      message: expect.stringContaining('body.action'),
    });
    expect(asked('POST', '/v1/instances/a/actions', { __proto__: { action: 'start' } })).toMatchObject({ ok: false });
    expect(asked('POST', '/v1/instances', {})).toMatchObject({ ok: false, message: expect.stringContaining('header.x-account') });
  });
});

describe('an OpenAPI document', () => {
  it('is a table where its operations say what they are', () => {
    const read = routesFromOpenApi(
      {
        openapi: '3.1.0',
        paths: {
          '/v1/instances/{id}': {
            get: { 'x-verdict-action': 'instance.get', 'x-verdict-resource': { type: 'instance', id: '{params.id}' } },
            delete: { summary: 'Not said, so denied.' },
          },
        },
      },
      'openapi.json',
    );
    expect(read.match('GET', '/v1/instances/a').kind).toBe('route');
    expect(read.match('DELETE', '/v1/instances/a').kind).toBe('none');
  });

  it('with a mistake names the operation', () => {
    const wrong = { paths: { '/a': { get: { 'x-verdict-action': 'a.b' } } } };
    expect(() => routesFromOpenApi(wrong, 'openapi.json')).toThrow('paths["/a"].get (GET /a): resource: missing');
    expect(() => routesFromOpenApi({ paths: { '/a': { get: { 'x-verdict-actoin': 'a.b' } } } }, 'x')).toThrow('actoin');
    expect(() => routesFromOpenApi({ paths: {} }, 'x')).toThrow('every request would be denied');
  });
});
