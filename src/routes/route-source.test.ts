import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routeTable } from './route-source.js';

const openApi = (action: string) => ({
  openapi: '3.1.0',
  info: { title: 'x', version: '1' },
  paths: { '/v1/instances/{id}': { get: { 'x-verdict-action': action, 'x-verdict-resource': { type: 'instance', id: '{params.id}' } } } },
});

let folder: string;
let answer: { status: number; body: string };
const server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
let url: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-routes-'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/openapi.json`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const source = (place: string, kept: string, warnings: string[] = []) => {
  mkdirSync(join(folder, kept), { recursive: true });
  return { place, folder: join(folder, kept), warn: (sentence: string) => warnings.push(sentence), pauseMs: 1 };
};

describe('the route table of a node', () => {
  it('is a file', async () => {
    const file = join(folder, 'routes.yaml');
    writeFileSync(file, 'version: 1\nroutes:\n  - { method: GET, path: /health, public: true }\n');
    expect((await routeTable(source(file, 'a'))).match('GET', '/health').kind).toBe('route');
    expect(readdirSync(join(folder, 'a'))).toEqual([]);
  });

  it('is the upstream’s OpenAPI document, which is kept for a time when it is away', async () => {
    answer = { status: 200, body: JSON.stringify(openApi('instance.get')) };
    expect((await routeTable(source(url, 'b'))).match('GET', '/v1/instances/1').kind).toBe('route');
    answer = { status: 503, body: 'away' };
    const warnings: string[] = [];
    const table = await routeTable(source(url, 'b', warnings));
    expect(table.match('GET', '/v1/instances/1').kind).toBe('route');
    expect(table.match('DELETE', '/v1/instances/1').kind).toBe('none');
    expect(warnings).toEqual([expect.stringContaining('it was answered 503')]);
  });

  it('is never the document that was kept of another address', async () => {
    answer = { status: 200, body: JSON.stringify(openApi('instance.get')) };
    await routeTable(source(url, 'd'));
    answer = { status: 503, body: 'away' };
    await expect(routeTable(source(`${url}?other`, 'd'))).rejects.toThrow(/can't be had/);
  });

  it('that can’t be had is no table', async () => {
    answer = { status: 404, body: '' };
    await expect(routeTable(source(url, 'c'))).rejects.toThrow(/can't be had: it was answered 404/);
    await expect(routeTable(source(join(folder, 'nowhere'), 'c'))).rejects.toThrow(/can't be read/);
  });

  it('that is no such document is refused, whatever was kept', async () => {
    answer = { status: 200, body: '{"openapi":"3.1.0","paths":{}}' };
    await expect(routeTable(source(url, 'b'))).rejects.toThrow(/would be denied/);
    answer = { status: 200, body: '{"a": [}' };
    await expect(routeTable(source(url, 'b'))).rejects.toThrow(/neither JSON nor YAML/);
  });
});
