import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../caller/types.js';
import { EntityRefused } from '../evaluate/directory/limits.js';
import { nearest, newAjv, pathWithoutSecrets, sayError } from '../event/index.js';
import { JournalUnavailable } from '../ingest/journal-types.js';
import { mediaTypeOf, readBody } from './body.js';
import type { Answer, Ask, Contract, ParameterSchema, Route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { readJson } from './json.js';
import { type Problem, problem } from './problem.js';

/** A request as the HTTP front hands it over. */
export type Incoming = {
  readonly requestId: string;
  readonly url: URL;
  readonly params: { readonly [name: string]: string };
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
};

export type Endpoint = (request: Incoming) => Promise<{ readonly answer: Answer; readonly caller: Caller | undefined }>;

type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** Nobody: what an anonymous route's handler sees as its caller. */
const NOBODY: Caller = { id: 'anonymous', name: 'anonymous', accounts: [], permissions: new Set() };
const NO_BYTES = Buffer.alloc(0);

/** Makes a route answer: who calls, whether they may, whether what they sent is what the contract asks for; then its handler. */
export const endpoint = ({ contract, handle }: Route, deps: ApiDeps): Endpoint => {
  const checkParams = parameterCheck(contract.params, 'path');
  const checkQuery = parameterCheck(contract.query, 'query');
  const checkBody = bodyCheck(contract);
  const now = deps.now ?? Date.now;

  const identify = async (request: Incoming, address: string): Promise<Checked<Caller>> => {
    if (contract.permission === 'anonymous') return { ok: true, value: NOBODY };
    const found = await deps.authenticate(request.incoming.headers.authorization, now());
    const path = pathOf(request);
    if (!found.ok) {
      await deps.refused(undefined, { address, code: found.code, path, requestId: request.requestId });
      return { ok: false, problem: problem(401, found.code, found.message) };
    }
    const { permission } = contract;
    const refusal = permission === 'authenticated' ? undefined : deps.guard(found.caller, permission);
    if (!refusal || permission === 'authenticated') return { ok: true, value: found.caller };
    await deps.refused(found.caller, { address, code: refusal.code, permission, path, requestId: request.requestId });
    return { ok: false, problem: problem(403, refusal.code, refusal.message) };
  };

  const settle = async (request: Incoming, caller: Caller, address: string): Promise<Answer> => {
    const params = checkParams(request.params);
    if (!params.ok) return { kind: 'problem', problem: params.problem };
    const query = queryOf(request.url);
    if (!query.ok) return { kind: 'problem', problem: query.problem };
    const checked = checkQuery(query.value);
    if (!checked.ok) return { kind: 'problem', problem: checked.problem };
    const body = await checkBody(request.incoming);
    if (!body.ok) return { kind: 'problem', problem: body.problem };
    const ask: Ask = {
      caller,
      address,
      requestId: request.requestId,
      params: params.value,
      query: checked.value,
      header: (name) => one(request.incoming.headers[name]),
      ...body.value,
      origin: request.url.origin,
      incoming: request.incoming,
      outgoing: request.outgoing,
    };
    return handle(ask);
  };

  return async (request) => {
    const address = deps.clientAddress(request.incoming);
    let caller: Caller | undefined;
    try {
      const identified = await identify(request, address);
      if (!identified.ok) return { answer: { kind: 'problem', problem: identified.problem }, caller };
      caller = identified.value;
      const answer = await settle(request, caller, address);
      if (answer.kind === 'refused') {
        const { account, permission } = answer;
        const about = { ...(account !== undefined && { account }), ...(permission && { permission }) };
        await deps.refused(caller, { address, code: answer.problem.code, path: pathOf(request), requestId: request.requestId, ...about });
      }
      return { answer, caller };
    } catch (error) {
      return { answer: { kind: 'problem', problem: unexpected(error, request, deps) }, caller };
    }
  };
};

/** The path as a refusal's event has it: a long one is cut. */
const pathOf = ({ url }: Incoming): string => pathWithoutSecrets(url.pathname).slice(0, 512);

const one = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header[0] : header);

const unexpected = (error: unknown, request: Incoming, deps: ApiDeps): Problem => {
  if (error instanceof JournalUnavailable) return problem(503, error.code, error.message);
  if (error instanceof EntityRefused) return problem(error.code === 'entity.too_large' ? 413 : 422, error.code, error.message);
  deps.log.error({ request_id: request.requestId, path: pathOf(request), err: error }, 'a request failed');
  return problem(500, 'internal', 'Verdict could not answer this request; its log says why, under the request id.');
};

const parameterCheck = (schema: ParameterSchema | undefined, where: 'path' | 'query') => {
  const names = Object.keys(schema?.properties ?? {});
  const ajv = newAjv();
  ajv.opts.coerceTypes = false;
  const validate = ajv.compile<{ readonly [name: string]: string }>({ type: 'object', properties: {}, ...schema });
  return (values: { readonly [name: string]: string }): Checked<{ readonly [name: string]: string }> => {
    const unknown = where === 'query' ? Object.keys(values).find((name) => !names.includes(name)) : undefined;
    if (unknown !== undefined) return { ok: false, problem: problem(400, 'parameter.unknown', sayUnknown(unknown, names)) };
    if (!validate(values)) return { ok: false, problem: problem(400, 'parameter.invalid', sayError(validate.errors, where)) };
    return { ok: true, value: values };
  };
};

const sayUnknown = (name: string, names: readonly string[]): string => {
  if (names.length === 0) return `This address takes no parameters, but "${name}" was given.`;
  const close = nearest(name, names);
  return `There is no parameter "${name}"${close ? `; did you mean "${close}"?` : '.'} This address takes ${names.join(', ')}.`;
};

const queryOf = (url: URL): Checked<{ readonly [name: string]: string }> => {
  const values = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (values.has(name)) return { ok: false, problem: problem(400, 'parameter.repeated', `The parameter "${name}" is given twice.`) };
    // URLs can carry what no record can: a NUL, or a byte that is no UTF-8 (read as U+FFFD).
    if (value.includes('\u0000') || value.includes('\ufffd'))
      return { ok: false, problem: problem(400, 'parameter.invalid', `The parameter "${name}" is not valid text.`) };
    values.set(name, value);
  }
  return { ok: true, value: Object.fromEntries(values) };
};

type Body = { readonly body: unknown; readonly bytes: Buffer };

const bodyCheck = ({ body }: Contract): ((incoming: IncomingMessage) => Promise<Checked<Body>>) => {
  if (!body) return async () => ({ ok: true, value: { body: undefined, bytes: NO_BYTES } });
  const types = Object.keys(body.content);
  const validate = body.as === 'json' ? newAjv().compile({ ...Object.values(body.content)[0] }) : undefined;
  return async (incoming) => {
    const type = mediaTypeOf(incoming.headers['content-type']);
    if (body.type !== 'handler' && type !== undefined && !types.includes(type))
      return { ok: false, problem: problem(415, 'media_type.unsupported', `The Content-Type must be ${types.join(', or ')}.`) };
    const read = await readBody(incoming, body.limit);
    if (!read.ok) return read;
    if (!validate || (body.optional && read.bytes.length === 0)) return { ok: true, value: { body: undefined, bytes: read.bytes } };
    const parsed = readJson(read.bytes);
    if (!parsed.ok) return { ok: false, problem: problem(400, parsed.code, parsed.message) };
    if (!validate(parsed.value)) return { ok: false, problem: problem(400, 'body.invalid', sayError(validate.errors)) };
    return { ok: true, value: { body: parsed.value, bytes: read.bytes } };
  };
};
