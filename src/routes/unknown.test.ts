import { describe, expect, it } from 'vitest';
import { fixedDirectory } from '../evaluate/index.js';
import { loadRoutes } from './load.js';
import { questionsOf } from './questions.js';
import { unknownResource } from './unknown.js';

const TABLE = `
version: 1
routes:
  - { method: GET, path: /things, action: thing.list, resource: { type: thing, id: '*' } }
  - { method: POST, path: /things, action: thing.create, resource: { type: thing, id: '*' }, entity: { on: created, type: thing, id: '{response.id}' } }
  - { method: PUT, path: '/things/{id}', action: thing.create, resource: { type: thing, id: '{params.id}' }, entity: { on: created, type: thing, id: '{params.id}' } }
  - { method: GET, path: '/things/{id}', action: thing.get, resource: { type: thing, id: '{params.id}' } }
  - { method: POST, path: /things/stop, action: thing.stop, resource: { type: thing, id: '*' }, each: body.ids }
  - { method: GET, path: '/plans/{id}', action: plan.get, resource: { type: plan, id: '{params.id}' } }
`;

describe('a thing that the directory does not know', () => {
  const table = loadRoutes(TABLE, 'routes.yaml');
  const unknownOf = unknownResource(table, fixedDirectory([{ type: 'thing', id: 'a', account: 'acc-1', properties: {} }]));
  const unknown = (method: string, target: string, body?: { readonly ids: readonly string[] }): string | undefined => {
    const match = table.match(method, target);
    if (match.kind !== 'route') throw new Error('No route.');
    const asked = questionsOf(match, { method, target, headers: {}, ...(body && { body }) }, { subject: { type: 'user', id: 'usr-1' } });
    if (!asked.ok) throw new Error(asked.message);
    return unknownOf(match, asked.questions);
  };

  it('is told of where the table follows its type, whatever the request calls it', () => {
    expect(unknown('GET', '/things/a')).toBeUndefined();
    expect(unknown('GET', '/things/b')).toBe('thing/b');
    expect(unknown('GET', '/things/*')).toBe('thing/*');
    expect(unknown('POST', '/things/stop', { ids: ['a', 'c'] })).toBe('thing/c');
    expect(unknown('POST', '/things/stop', { ids: ['a'] })).toBeUndefined();
  });

  it('may be asked about where it is about to be made, where all are meant, and where nobody follows its type', () => {
    expect(unknown('GET', '/things')).toBeUndefined();
    expect(unknown('POST', '/things')).toBeUndefined();
    expect(unknown('PUT', '/things/new')).toBeUndefined();
    expect(unknown('GET', '/plans/s-1')).toBeUndefined();
  });
});
