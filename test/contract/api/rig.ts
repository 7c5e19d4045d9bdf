import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { Registry } from 'prom-client';
import { expect } from 'vitest';
import { type ApiDeps, createApi, openApiOf } from '../../../src/api/index.js';
import { apiKeys, type Caller, PERMISSIONS, type Permission, type RefusedRequest } from '../../../src/caller/index.js';
import { DESTINATIONS } from '../../../src/destinations.js';
import { createDecide, type DecideDeps } from '../../../src/evaluate/decide.js';
import { localDirectory } from '../../../src/evaluate/directory/local.js';
import { readInput } from '../../../src/evaluate/input-json.js';
import { createSearch } from '../../../src/evaluate/search.js';
import type { Event, EventDraft } from '../../../src/event/index.js';
import { place } from '../../../src/event/index.js';
import { jobFolder } from '../../../src/export/index.js';
import { forwarderDesk } from '../../../src/forward/index.js';
import { openJournal } from '../../../src/ingest/journal.js';
import type { Journal } from '../../../src/ingest/journal-types.js';
import { addressGuard, guardedDial, openSecrets } from '../../../src/outbound/index.js';
import { scheduleDesk } from '../../../src/schedule/index.js';
import { guard } from '../../peers/guard.js';

export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly trailers: NodeJS.Dict<string>;
  /** False if the connection broke before the answer's end. */
  readonly complete: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose form the API's description has checked.
  readonly json: any;
};

export type Call = {
  readonly as?: string;
  readonly body?: unknown;
  readonly raw?: Buffer | string;
  readonly headers?: { readonly [name: string]: string };
  /** Sends the body without saying how long it is. */
  readonly chunked?: boolean;
};

const caller = (id: string, accounts: Caller['accounts'], permissions: readonly Permission[]): Caller => ({
  id: `key:${id}`,
  name: id,
  accounts,
  permissions: new Set(permissions),
});

/** The credentials of these tests: the bearer token is the name. */
export const CALLERS: { readonly [token: string]: Caller } = {
  admin: { ...caller('admin', 'all', PERMISSIONS), id: 'admin' },
  acme: caller(
    'acme',
    ['acc-1'],
    PERMISSIONS.filter((one) => one !== 'event.backfill' && one !== 'decision.assert'),
  ),
  both: caller('both', ['acc-1', 'acc-2'], PERMISSIONS),
  nothing: caller('nothing', ['acc-1'], []),
  pdp: caller('pdp', 'all', PERMISSIONS),
};

export type Rig = Awaited<ReturnType<typeof startRig>>;

const noStore = async (): Promise<never> => {
  throw new Error('There is no store here.');
};

/** The API on a real listener, over a real journal. `change` replaces parts of what it is made of. */
export const startRig = async (change: (deps: ApiDeps) => Partial<ApiDeps> = () => ({})) => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-api-'));
  const journal: Journal = await openJournal({ path: join(folder, 'journal'), maxBytes: 1 << 26, durability: 'disk', onFailure: () => undefined });
  const recorded: Event[] = [];
  const append: Journal['append'] = async (drafts, options) => {
    const places = await journal.append(drafts, options);
    recorded.push(
      ...drafts.map((draft: EventDraft, index) => place(draft, places[index] as (typeof places)[number], (places[index] as (typeof places)[number]).recorded)),
    );
    return places;
  };
  const directory = localDirectory({ path: join(folder, 'directory') });
  const refusals: (RefusedRequest & { readonly caller: string | undefined })[] = [];
  const deciding: DecideDeps = {
    guard,
    policy: () => ({
      revision: 'r1',
      entrypoints: ['verdict/decision'],
      actions: ['read.instance', 'write.instance'],
      decide: (input) => {
        const { action } = readInput(input);
        const allow = action.name.startsWith('read');
        return { allow, reasons: allow ? [] : [{ code: 'role', message: 'Only reading is allowed here.' }], advice: [] };
      },
      query: () => undefined,
    }),
    directory,
    append,
    maxStalenessMs: 1000,
    region: '',
  };
  const base: ApiDeps = {
    guard,
    authenticate: (authorization) => {
      const found = CALLERS[authorization?.replace(/^Bearer /, '') ?? ''];
      if (found) return { ok: true, caller: found };
      return authorization
        ? { ok: false, code: 'credential.invalid', message: 'This credential is not known.' }
        : { ok: false, code: 'credential.missing', message: 'A credential is needed: Authorization: Bearer.' };
    },
    refused: (by, refusal) => refusals.push({ ...refusal, caller: by?.id }),
    clientAddress: (incoming) => incoming.socket.remoteAddress ?? '',
    decide: createDecide(deciding),
    search: createSearch(deciding),
    journal: { append, known: journal.known, settled: journal.settled },
    directory,
    writeEntities: (_caller, changes) => directory.apply(changes),
    audit: {
      list: noStore,
      get: noStore,
      gaps: noStore,
      lastUses: noStore,
      scan: () => {
        throw new Error('no store here');
      },
    },
    exportJobs: jobFolder(join(folder, 'exports')),
    schedules: scheduleDesk({
      base: join(folder, 'out'),
      dial: guardedDial(addressGuard(['127.0.0.0/8'])),
      directory,
      write: (_caller, changes) => directory.apply(changes),
      secrets: openSecrets({ key: Buffer.alloc(32, 7).toString('base64'), old_keys: [] }),
    }),
    revision: () => 'r1',
    keys: apiKeys({ directory, write: (_caller, changes) => directory.apply(changes) }),
    forwarders: forwarderDesk({
      destinations: DESTINATIONS,
      secrets: openSecrets({ key: Buffer.alloc(32, 7).toString('base64'), old_keys: [] }),
      dial: guardedDial(addressGuard(['127.0.0.0/8'])),
      directory,
      write: (_caller, changes) => directory.apply(changes),
      append,
      statuses: async () => () => undefined,
      node: 'node-1',
      most: 5,
    }),
    quarantine: {
      list: async ({ limit }) =>
        [{ id: 'q1', reason: 'event.invalid', at: '2026-01-01T00:00:00.000Z', line: Buffer.from('{"a":1,"salts":["x","y"]}\n') }].slice(0, limit),
      replay: async (ids) => ids.map((id) => (id === 'q1' ? { id, outcome: 'accepted' } : { id, outcome: 'not_found' })),
    },
    metrics: new Registry(),
    ready: () => ({ ok: true, parts: [{ name: 'journal', ok: true }] }),
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  };
  const api = createApi({ publicUrl: '', version: '0.0.0' }, { ...base, ...change(base) });
  const server = createServer((incoming, outgoing) => void api.nodeListener(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const check = describedAnswers(openApiOf({ publicUrl: '', version: '0.0.0' }, api.routes));

  /** Sends a request over the network and holds its answer against the API's own description. */
  const call = async (method: string, path: string, options: Call = {}): Promise<Reply> => {
    const reply = await send(port, method, path, options);
    check(method, path, reply);
    return reply;
  };

  return {
    call,
    port,
    api,
    recorded,
    refusals,
    directory,
    journal,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await directory.close();
      await journal.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const send = (port: number, method: string, path: string, { as, body, raw, headers = {}, chunked }: Call): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const bytes = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const sent = request({
      port,
      host: '127.0.0.1',
      method,
      path,
      agent: false,
      headers: {
        ...(as && { authorization: `Bearer ${as}` }),
        ...(bytes !== undefined && { 'content-type': 'application/json' }),
        ...(bytes !== undefined && !chunked && { 'content-length': String(Buffer.byteLength(bytes)) }),
        ...headers,
      },
    });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => undefined);
      answer.on('close', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = /[/+]json/.test(answer.headers['content-type'] ?? '') && answer.complete;
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text,
          trailers: answer.trailers,
          complete: answer.complete,
          json: isJson && text.startsWith('{') ? JSON.parse(text) : undefined,
        });
      });
    });
    sent.end(bytes);
  });

type Operation = {
  readonly responses: { readonly [status: string]: { readonly $ref?: string; readonly content?: { readonly [type: string]: { readonly schema: object } } } };
};

/** Holds answers against an OpenAPI document: the path and method, the status, the media type, the body's form. */
const describedAnswers = (document: { readonly [key: string]: unknown }) => {
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  const paths = document['paths'] as { readonly [path: string]: { readonly [method: string]: Operation } };
  const { schemas } = document['components'] as { readonly schemas: { readonly Problem: object } };

  return (method: string, path: string, reply: Reply): void => {
    const where = path.split('?', 1)[0] as string;
    const fixed = Object.keys(paths).find((one) => one === where);
    const known = fixed ?? Object.keys(paths).find((one) => new RegExp(`^${one.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(where));
    const operation = known === undefined ? undefined : paths[known]?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
    expect(reply.headers['x-request-id'], `${method} ${path} echoes a request id`).toBeTruthy();
    if (reply.status >= 400) {
      expect(reply.headers['content-type']).toBe('application/problem+json');
      if (method !== 'HEAD') expect(ajv.validate(schemas.Problem, reply.json), `${method} ${path}: ${ajv.errorsText()} in ${reply.text}`).toBe(true);
      return;
    }
    expect(operation, `${method} ${path} is described`).toBeDefined();
    const answer = operation?.responses[reply.status];
    expect(answer, `${method} ${path} describes status ${reply.status}`).toBeDefined();
    if (!answer?.content) {
      expect(reply.text).toBe('');
      return;
    }
    const type = reply.headers['content-type']?.split(';', 1)[0] as string;
    expect(Object.keys(answer.content)).toContain(type);
    if (reply.json !== undefined)
      expect(ajv.validate(answer.content[type]?.schema ?? {}, reply.json), `${method} ${path}: ${ajv.errorsText()} in ${reply.text}`).toBe(true);
  };
};
