import { readFileSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { PolicyConfig } from '../config.js';
import { version } from '../version.js';

/** What a bundle server answered. Trouble is a sentence, and another try may do better. */
export type Fetched =
  | { readonly outcome: 'bundle'; readonly bytes: Buffer; readonly etag: string; readonly isLongPoll: boolean }
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'failed'; readonly message: string };

export type FetchOptions = {
  /** What is here already; empty: nothing. */
  readonly etag: string;
  /** Seconds that the server may hold the request while there is nothing new. */
  readonly wait: number;
  readonly signal?: AbortSignal;
};

export type FetchBundle = (options: FetchOptions) => Promise<Fetched>;

/** The type by which a server says that it holds requests (OPA, "Bundle Service API"). */
const LONG_POLL_TYPE = 'application/vnd.openpolicyagent.bundles';
/** What servers call a bundle.tar.gz. A page of text is none, whatever its status. */
const BUNDLE_TYPES: ReadonlySet<string> = new Set([
  LONG_POLL_TYPE,
  '',
  'application/gzip',
  'application/x-gzip',
  'application/tar+gzip',
  'application/x-tar',
  'application/x-compressed-tar',
  'application/x-gtar-compressed',
  'application/octet-stream',
  'binary/octet-stream',
]);

class Trouble extends Error {}

const typeOf = (response: IncomingMessage): string => (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** Reads the files anew each time: certificates are replaced while a node runs. */
const tlsOf = ({ ca, cert, key }: PolicyConfig['tls']): RequestOptions & { readonly ca?: Buffer } => ({
  ...(ca !== '' && { ca: readFileSync(ca) }),
  ...(cert !== '' && { cert: readFileSync(cert), key: readFileSync(key) }),
});

const headersOf = (config: PolicyConfig, { etag, wait }: FetchOptions): Record<string, string> => ({
  Accept: 'application/gzip, application/octet-stream;q=0.9, */*;q=0.1',
  'Accept-Encoding': 'identity',
  'User-Agent': `verdict/${version()}`,
  Prefer: wait > 0 ? `modes=snapshot;wait=${Math.ceil(wait)}` : 'modes=snapshot',
  ...(etag !== '' && { 'If-None-Match': etag }),
  ...(config.token !== '' && { Authorization: `Bearer ${config.token}` }),
});

/** The answer's bytes, all of them and not too many. */
const readBody = async (response: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  const tooLarge = (): Trouble => new Trouble(`it sends more than ${maxBytes} bytes (policy.max_bytes)`);
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
};

const refusalOf = (status: number): string => {
  if (status >= 300 && status < 400) return `it answers ${status} and sends us elsewhere, where Verdict doesn't follow: set policy.bundle to the final address`;
  if (status === 401 || status === 403) return `it answers ${status}: look at policy.token and policy.tls`;
  return `it answers ${status}`;
};

const read = async (response: IncomingMessage, config: PolicyConfig, etag: string): Promise<Fetched> => {
  const status = response.statusCode ?? 0;
  if (status === 304 && etag !== '') return { outcome: 'unchanged' };
  if (status !== 200) throw new Trouble(refusalOf(status));
  const type = typeOf(response);
  if (!BUNDLE_TYPES.has(type)) throw new Trouble(`it sends ${type}, which is no bundle`);
  const bytes = await readBody(response, config.max_bytes);
  return { outcome: 'bundle', bytes, etag: response.headers.etag ?? '', isLongPoll: type === LONG_POLL_TYPE };
};

const whyOf = (error: unknown): string => {
  if (error instanceof Trouble) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET') return 'the connection broke off';
  return message || code || 'no answer';
};

/** Sends the request; resolves when the answer begins. */
const begin = (url: URL, options: RequestOptions): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestSecure : requestPlain;
    send(url, options, resolve).on('error', reject).end();
  });

/**
 * Asks a bundle server once (GET with If-None-Match and Prefer; OPA, "Bundle Service API"). Never rejects: what went
 * wrong is a sentence. The certificate is always checked, and redirects are not followed.
 */
export const bundleFetcher = (config: PolicyConfig): FetchBundle => {
  const url = new URL(config.bundle);
  return async (options) => {
    const abort = new AbortController();
    const late = (seconds: number, what: string): NodeJS.Timeout =>
      setTimeout(() => abort.abort(new Trouble(`${what} within ${seconds} s (policy.fetch_seconds)`)), seconds * 1000);
    const leave = (): void => abort.abort(new Trouble('the request was given up'));
    options.signal?.addEventListener('abort', leave, { once: true });
    let timer = late(config.fetch_seconds + options.wait, "its answer didn't begin");
    try {
      const response = await begin(url, { method: 'GET', headers: headersOf(config, options), agent: false, signal: abort.signal, ...tlsOf(config.tls) });
      clearTimeout(timer);
      timer = late(config.fetch_seconds, "its answer didn't end");
      try {
        return await read(response, config, options.etag);
      } finally {
        response.destroy();
      }
    } catch (error) {
      const why = whyOf(abort.signal.aborted ? abort.signal.reason : error);
      return { outcome: 'failed', message: `The bundle server ${shownUrl(config.bundle)} can't be used: ${why}.` };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', leave);
    }
  };
};

/** A URL as it may be shown: without the query, which may hold a secret. */
export const shownUrl = (place: string): string => {
  const url = new URL(place);
  return `${url.origin}${url.pathname}`;
};
