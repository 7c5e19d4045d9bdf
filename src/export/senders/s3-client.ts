import { Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { S3Client } from '@aws-sdk/client-s3';
import { type TlsConfig, tlsOptions } from '../../outbound/index.js';
import type { Dial } from '../sender.js';

type Sdk = typeof import('@aws-sdk/client-s3');

export type S3Access = {
  readonly endpoint: URL;
  readonly region: string;
  readonly path_style: boolean;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string;
  readonly tls?: TlsConfig;
  readonly timeout_ms: number;
};

export type OpenS3 = { readonly sdk: Sdk; readonly client: S3Client };

const CONNECT_MS = 10_000;

/** An agent whose connections are guarded; `onSocket` sees each of them. */
const guardedAgent = (isTls: boolean, dial: Dial, tls: TlsConfig, onSocket: ((socket: Socket) => void) | undefined): PlainAgent | TlsAgent => {
  const options = { keepAlive: true, maxSockets: 8, lookup: dial.lookup, ...(isTls && tlsOptions(tls)) };
  const agent = isTls ? new TlsAgent(options) : new PlainAgent(options as ConstructorParameters<typeof PlainAgent>[0]);
  if (!onSocket) return agent;
  const made = agent as unknown as { createConnection: (...given: readonly unknown[]) => Socket };
  const create = made.createConnection.bind(agent);
  made.createConnection = (...given) => {
    const socket = create(...given);
    onSocket(socket);
    return socket;
  };
  return agent;
};

/**
 * A client with the credentials that it is given and no others: what this machine may do is not what a forwarder may do.
 * It tries once; trying again is the feed's. The SDK is loaded here, by whoever uses it.
 */
export const openS3 = async (access: S3Access, dial: Dial, onSocket?: (socket: Socket) => void): Promise<OpenS3> => {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, region, path_style, access_key_id, secret_access_key, session_token, tls = {}, timeout_ms } = access;
  const isTls = endpoint.protocol === 'https:';
  const agent = guardedAgent(isTls, dial, tls, onSocket);
  const client = new sdk.S3Client({
    endpoint: endpoint.href,
    region,
    forcePathStyle: path_style,
    credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key, ...(session_token !== undefined && { sessionToken: session_token }) },
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: timeout_ms,
      throwOnRequestTimeout: true,
      ...(isTls ? { httpsAgent: agent as TlsAgent } : { httpAgent: agent as PlainAgent }),
    },
  });
  return { sdk, client };
};
