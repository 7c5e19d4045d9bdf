import { readFileSync } from 'node:fs';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import grpc, { type Metadata } from '@grpc/grpc-js';
import { authorizationService, type CheckResponse } from '../../src/ext-authz/proto.js';

/** What a Check came to: its response, or the status of a call that failed. */
export type Checked = { readonly code: number; readonly message: string; readonly response?: CheckResponse };

export type CheckClient = {
  /** Sends bytes as they are, whatever they are. */
  readonly send: (bytes: Buffer, metadata?: Readonly<Record<string, string>>) => Promise<Checked>;
  readonly check: (request: object, metadata?: Readonly<Record<string, string>>) => Promise<Checked>;
  /** The bytes of a request. */
  readonly bytes: (request: object) => Buffer;
  readonly close: () => void;
};

export type CheckTls = { readonly ca: string; readonly cert?: string; readonly key?: string };

const { Check } = authorizationService();
/** What stands before a message: whether it is compressed, and its length. */
const FRAME = 5;
const pem = (path: string | undefined): Buffer | null => (path === undefined ? null : readFileSync(path));

/** A client of envoy.service.auth.v3.Authorization, by Envoy's own definition, with a connection of its own. */
export const checkClient = (address: string, tls?: CheckTls): CheckClient => {
  const credentials = tls ? grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert)) : grpc.credentials.createInsecure();
  const client = new grpc.Client(address, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  const bytes = (request: object): Buffer => Check.requestSerialize(request as never);
  const send: CheckClient['send'] = (message, metadata = {}) =>
    new Promise((done) => {
      const shown: Metadata = new grpc.Metadata();
      for (const [name, value] of Object.entries(metadata)) shown.set(name, value);
      const options = { deadline: Date.now() + 30_000 };
      client.makeUnaryRequest(
        Check.path,
        (one: Buffer) => one,
        Check.responseDeserialize,
        message,
        shown,
        options,
        (error, response) => done(error ? { code: error.code, message: error.details } : { code: 0, message: '', ...(response && { response }) }),
      );
    });
  return { send, check: (request, metadata) => send(bytes(request), metadata), bytes, close: () => client.close() };
};

/** Sends bytes over one HTTP/2 connection without a gRPC client, which would cost more than what it asks. */
export const rawChecks = (port: number): Pick<CheckClient, 'send' | 'close'> => {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const send: CheckClient['send'] = (message, metadata = {}) =>
    new Promise((done) => {
      const stream = session.request({ ':method': 'POST', ':path': Check.path, 'content-type': 'application/grpc', te: 'trailers', ...metadata });
      const chunks: Buffer[] = [];
      let code = -1;
      let why = 'the connection broke';
      const statusIn = (headers: IncomingHttpHeaders): void => {
        if (headers['grpc-status'] === undefined) return;
        code = Number(headers['grpc-status']);
        why = String(headers['grpc-message'] ?? '');
      };
      stream.setTimeout(30_000, () => stream.close());
      stream.on('response', statusIn).on('trailers', statusIn);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => undefined);
      stream.once('close', () => {
        const body = Buffer.concat(chunks).subarray(FRAME);
        done({ code, message: why, ...(code === 0 && { response: Check.responseDeserialize(body) }) });
      });
      // One message: not compressed, and so many bytes.
      const head = Buffer.alloc(FRAME);
      head.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([head, message]));
    });
  return { send, close: () => session.close() };
};

/** A CheckRequest as Envoy makes it. */
export const checkOf = (method: string, path: string, headers: Readonly<Record<string, string>> = {}, more: object = {}): object => ({
  attributes: {
    source: { address: { socket_address: { address: '198.51.100.7', port_value: 1234 } } },
    request: {
      http: {
        id: '1',
        method,
        path,
        host: 'api.example',
        scheme: 'http',
        protocol: 'HTTP/1.1',
        headers: { ':method': method, ':path': path, ...headers },
        ...more,
      },
    },
  },
});

/** A header of a response by its name; an empty list comes as none at all. */
export const headerIn = (response: CheckResponse | undefined, name: string): string | undefined =>
  (response?.ok_response ?? response?.denied_response)?.headers?.find(({ header }) => header.key === name)?.header.value;
