import type { JsonObject } from '../../event/index.js';
import { again, type Failure, failureOf, isTlsError, newTrial, stopped, tlsOptions, watch } from '../../outbound/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import type { Outgoing, Sender, Sent } from '../sender.js';
import { addressOf, type HttpSettings, httpProperties, urlProperty } from './http-sender.js';
import { type OpenS3, openS3, type S3Access } from './s3-client.js';
import { isThere, s3Failure, statusOf } from './s3-failure.js';
import { groupsOf, type MadeObject, objectForm, objectOf } from './s3-objects.js';

/** A bucket of S3, or of a server that speaks its protocol. */
export type S3Config = Omit<HttpSettings, 'gzip'> & {
  readonly bucket: string;
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly path_style?: boolean;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string;
  readonly object_lock?: { readonly mode: 'governance' | 'compliance'; readonly days: number };
  readonly linger_seconds?: number;
};

const REGION = 'us-east-1';
const LIMITS = { events: 100_000, bytes: 32 << 20 } as const;
const LINGER_S = 300;
const TIMEOUT_MS = 120_000;
const AT_ONCE = 4;
const DAY_MS = 86_400_000;

const text = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, description }) as const;
const { gzip: _gzip, ...usual } = httpProperties;

/** What a bucket needs, whoever writes into it. */
export const S3_PROPERTIES = {
  bucket: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$', description: 'The bucket. It must be there.' },
  prefix: {
    type: 'string',
    maxLength: 512,
    pattern: "^([A-Za-z0-9!_.*'()=-]+/)*$",
    default: '',
    description: 'What every name begins with; it ends with a slash.',
  },
  region: { type: 'string', pattern: '^[a-z0-9-]{1,64}$', default: REGION, description: 'The region of the bucket.' },
  endpoint: urlProperty("The address of a server that isn't AWS's."),
  path_style: { type: 'boolean', default: true, description: 'Whether the bucket stands in the path, not in the host name.' },
  access_key_id: text(256, 'The access key.'),
  secret_access_key: { ...text(1024, 'Its secret.'), 'x-secret': true },
  session_token: { ...text(8192, 'The session token of temporary credentials.'), 'x-secret': true },
  plain_http: httpProperties.plain_http,
} as const;

const { plain_http: _plain, ...bucketProperties } = S3_PROPERTIES;

export const s3Schema = {
  type: 'object',
  required: ['bucket', 'access_key_id', 'secret_access_key'],
  additionalProperties: false,
  properties: {
    ...bucketProperties,
    object_lock: {
      type: 'object',
      required: ['mode', 'days'],
      additionalProperties: false,
      description: 'Locks each object, in a bucket that was made with object lock.',
      properties: {
        mode: { enum: ['governance', 'compliance'], description: 'Whether some may lift the lock (governance) or nobody (compliance).' },
        days: { type: 'integer', minimum: 1, maximum: 36_500, description: 'For how long, from when it is written.' },
      },
    },
    linger_seconds: { type: 'integer', minimum: 1, maximum: 3_600, default: LINGER_S, description: 'How long events wait for more, so that objects are few.' },
    ...usual,
    timeout_ms: { ...usual.timeout_ms, default: TIMEOUT_MS },
  },
} as const;

/** `host:port` for what is said of it. */
const placeOf = (url: URL): string => `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;

/** Works through a list, so many at once, and stops at the first failure. */
const eachOf = async <T>(list: readonly T[], atOnce: number, work: (one: T) => Promise<Failure | undefined>): Promise<Failure | undefined> => {
  let next = 0;
  let failure: Failure | undefined;
  const worker = async (): Promise<void> => {
    while (next < list.length && failure === undefined) {
      const result = await work(list[next++] as T);
      failure ??= result;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, list.length) }, worker));
  return failure;
};

/**
 * Writes objects, each once: a batch is accepted when all of its objects and their manifests are in the bucket. A batch
 * that comes again after a failure writes what wasn't written, under the same names with the same bytes.
 */
export const s3Sender = (config: S3Config, deps: SenderDeps): Sender => {
  const { bucket, prefix = '', region = REGION, object_lock, linger_seconds = LINGER_S } = config;
  const { dial, now = Date.now } = deps;
  const form = objectForm(deps.format);
  const endpoint = addressOf(config.endpoint ?? `https://s3.${region}.amazonaws.com`, config);
  const place = placeOf(endpoint);
  // Said before anything is opened.
  tlsOptions(config.tls ?? {});
  const access: S3Access = { ...config, endpoint, region, path_style: config.path_style ?? true, timeout_ms: config.timeout_ms ?? TIMEOUT_MS };
  let opened: Promise<OpenS3> | undefined;

  const fail = (error: unknown): Failure => s3Failure(error, { place, now: now() });

  const put = async (
    { sdk, client }: OpenS3,
    Key: string,
    Body: Buffer,
    more: { readonly ContentType: string; readonly Metadata?: Record<string, string> },
    signal: AbortSignal,
  ) =>
    client.send(
      new sdk.PutObjectCommand({
        Bucket: bucket,
        Key,
        Body,
        ContentLength: Body.length,
        ChecksumAlgorithm: 'SHA256',
        IfNoneMatch: '*',
        ...more,
        ...(object_lock && {
          ObjectLockMode: object_lock.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
          ObjectLockRetainUntilDate: new Date(now() + object_lock.days * DAY_MS),
        }),
      }),
      { abortSignal: signal },
    );

  /** An object of that name: its hash is in the name and in its metadata. Who may not look trusts the name. */
  const checkThere = async ({ sdk, client }: OpenS3, { key, content_sha256 }: MadeObject, signal: AbortSignal): Promise<Failure | undefined> => {
    try {
      const { Metadata } = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
      if (Metadata?.['verdict-sha256'] === content_sha256) return undefined;
      return stopped(`In ${bucket} stands another object under the name ${key}, and nothing is written over it.`);
    } catch (error) {
      return statusOf(error) === 403 ? undefined : fail(error);
    }
  };

  const write = async (s3: OpenS3, made: MadeObject, signal: AbortSignal): Promise<Failure | undefined> => {
    try {
      await put(s3, made.key, made.body, { ContentType: made.contentType, Metadata: { 'verdict-sha256': made.content_sha256 } }, signal);
    } catch (error) {
      const failure = isThere(error) ? await checkThere(s3, made, signal) : fail(error);
      if (failure) return failure;
    }
    try {
      await put(s3, made.manifestKey, made.manifest, { ContentType: 'application/json' }, signal);
    } catch (error) {
      // It tells of an object of that name, which is the same.
      if (!isThere(error)) return fail(error);
    }
    return undefined;
  };

  const open = (): Promise<OpenS3> => {
    opened ??= openS3(access, dial);
    return opened;
  };

  const send = async (batch: readonly Outgoing[], signal: AbortSignal): Promise<Sent> => {
    try {
      dial.check(endpoint.hostname);
    } catch (error) {
      return failureOf(error, place);
    }
    const s3 = await open();
    const failure = await eachOf(groupsOf(batch), AT_ONCE, async (group) =>
      signal.aborted ? again('It was told to stop.') : await write(s3, await objectOf(group, form, prefix), signal),
    );
    if (!failure) return { outcome: 'accepted' };
    // The whole batch again: only the same events make the same objects.
    return signal.aborted ? again('It was told to stop.') : failure;
  };

  const test: Sender['test'] = async (message, signal) => {
    const trial = newTrial(now);
    let at: 'resolve' | 'connect' | 'tls' | 'send' = 'connect';
    try {
      dial.check(endpoint.hostname);
    } catch (error) {
      trial.failed('connect', failureOf(error, place));
      return trial.steps;
    }
    const s3 = await openS3(access, dial, (socket) =>
      watch(socket, endpoint.hostname, trial.done, (step) => {
        at = step as typeof at;
      }),
    );
    const key = `${prefix}verdict-test/${now()}-${message.log}-${message.seq}.json`;
    try {
      await put(s3, key, Buffer.from(`${form.line(message)}\n`), { ContentType: 'application/json' }, signal);
      trial.done('send', 'The object left.');
      trial.done('accepted', `It stands in ${bucket} as ${key}.`);
    } catch (error) {
      trial.failed(statusOf(error) === undefined ? (isTlsError(error) ? 'tls' : at) : 'accepted', fail(error));
    } finally {
      s3.client.destroy();
    }
    return trial.steps;
  };

  return {
    name: 's3',
    limits: { ...LIMITS, linger_ms: linger_seconds * 1000 },
    send,
    test,
    close: async () => (await opened)?.client.destroy(),
  };
};

export const s3: Destination = {
  type: 's3',
  schema: s3Schema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'ecs', 'cloudevents', 'parquet'],
  make: (config: JsonObject, deps) => s3Sender(config as unknown as S3Config, deps),
};
