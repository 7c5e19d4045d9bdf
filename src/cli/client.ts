import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { EXIT, Failure } from './failure.js';

/** Where a node is reached, and with what. */
export type Target = {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export type Call = {
  readonly query?: Query;
  /** Sent as JSON; a Buffer or string is sent as it is, under `type`. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Reply = { readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: unknown };

export type Client = {
  readonly url: string;
  /** The answer with its JSON parsed. A non-2xx becomes a {@link Failure} with the problem's own sentence. */
  readonly call: (method: string, path: string, call?: Call) => Promise<Reply>;
  /** The answer as it streams in, trailers and all; a non-2xx becomes a {@link Failure}. */
  readonly open: (path: string, query?: Query, headers?: Call['headers']) => Promise<IncomingMessage>;
};

/** Longer than any answer takes that doesn't stream. */
const SILENCE_MS = 120_000;

const pem = (path: string | undefined): Buffer | undefined => {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure(EXIT.usage, `${path} can't be read: ${(error as Error).message}.`);
  }
};

const parseUrl = (url: string): URL => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
    throw new Failure(EXIT.usage, `"${url}" is no address of a node: give it as http://HOST:PORT or https://HOST:PORT (--url or VERDICT_URL).`);
  return parsed;
};

const exitFor = (status: number): Failure['exit'] => {
  // Only the node knows every form it takes: what it doesn't understand was wrongly asked for.
  if (status === 400) return EXIT.usage;
  if (status === 401 || status === 403) return EXIT.refused;
  return status === 404 ? EXIT.notFound : EXIT.failed;
};

type ProblemBody = {
  readonly detail?: unknown;
  readonly title?: unknown;
  readonly request_id?: unknown;
  readonly errors?: readonly { readonly index?: number; readonly detail?: string }[];
};

/** One sentence from the problem+json of an answer; from its status where it has none. */
const failureOf = (status: number, text: string): Failure => {
  let problem: ProblemBody = {};
  try {
    problem = (JSON.parse(text) as ProblemBody | null) ?? {};
  } catch {
    // Not from Verdict itself: a proxy on the way. The status has to do.
  }
  const said = typeof problem.detail === 'string' ? problem.detail : typeof problem.title === 'string' ? `${problem.title}.` : '';
  const places = (problem.errors ?? []).slice(0, 5).map((one) => `[${one.index}] ${one.detail}`);
  const sentence = [said || `The node answered with status ${status}.`, ...places].join(' ');
  const asked = typeof problem.request_id === 'string' ? ` (request ${problem.request_id})` : '';
  return new Failure(exitFor(status), `${sentence}${asked}`);
};

const unreachable = (url: URL, error: NodeJS.ErrnoException): Failure => {
  const why = error.code === 'ECONNREFUSED' ? 'nothing listens there' : ((error.message || error.code) ?? 'the connection failed');
  return new Failure(
    EXIT.unreachable,
    `No node could be reached at ${url.origin}: ${why}. Start one with \`verdict serve\`, or give its address with --url or VERDICT_URL.`,
  );
};

const readAll = async (message: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
};

const encode = (body: unknown): Buffer | string | undefined =>
  body === undefined || Buffer.isBuffer(body) || typeof body === 'string' ? (body as Buffer | string | undefined) : JSON.stringify(body);

/** Speaks HTTP with one node. Certificates are always checked. */
export const createClient = (target: Target): Client => {
  const base = parseUrl(target.url);
  const tls = { ca: pem(target.ca), cert: pem(target.cert), key: pem(target.key) };

  const send = (method: string, path: string, { query = {}, body, type, headers = {} }: Call = {}): Promise<IncomingMessage> => {
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    const payload = encode(body);
    const sent = {
      ...(target.token !== '' && { authorization: `Bearer ${target.token}` }),
      ...(payload !== undefined && { 'content-type': type ?? 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
      ...headers,
    };
    return new Promise((resolve, reject) => {
      const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = start(url, { method, headers: sent, ...(url.protocol === 'https:' && tls) }, resolve);
      request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`it said nothing for ${SILENCE_MS / 1000} s`)));
      request.on('error', (error) => reject(unreachable(url, error)));
      request.end(payload);
    });
  };

  const answer = async (message: IncomingMessage): Promise<string> => {
    try {
      return await readAll(message);
    } catch (error) {
      throw new Failure(EXIT.unreachable, `The connection to ${base.origin} broke in the middle of its answer: ${(error as Error).message}.`);
    }
  };

  return {
    url: base.href.replace(/\/$/, ''),
    call: async (method, path, call) => {
      const message = await send(method, path, call);
      const text = await answer(message);
      const status = message.statusCode ?? 0;
      if (status < 200 || status > 299) throw failureOf(status, text);
      if (text === '') return { status, headers: message.headers, body: undefined };
      try {
        return { status, headers: message.headers, body: JSON.parse(text) as unknown };
      } catch {
        throw new Failure(EXIT.failed, `What answers at ${base.origin} is no Verdict node: its answer is not JSON.`);
      }
    },
    open: async (path, query, headers) => {
      const message = await send('GET', path, { ...(query && { query }), ...(headers && { headers }) });
      const status = message.statusCode ?? 0;
      if (status >= 200 && status <= 299) return message;
      throw failureOf(status, await answer(message));
    },
  };
};
