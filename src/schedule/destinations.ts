import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, realpath, rename } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { JsonObject } from '../event/index.js';
import { type Dial, openS3, type Part, S3_PROPERTIES, type S3Access, WEBHOOK_SECRET, webhookHeaders, webhookKey } from '../export/index.js';
import { type ConfigSchema, type GuardedDial, outboundRequest } from '../outbound/index.js';

/** A run's files, as they lie on this node, and what they are. `manifest` is JSON. */
export type Delivery = {
  /** `<schedule>/<planned>`, made of letters, digits, dots and dashes. */
  readonly folder: string;
  readonly parts: readonly Part[];
  readonly pathOf: (name: string) => string;
  readonly manifest: Buffer;
  /** Keeps the files on this node for whoever is told of them; `url` is where they are fetched, `drop` takes them away again. */
  readonly keep: () => { readonly url: string; readonly drop: () => void };
};

/** Hands a run over. Resolves with where it went; rejects with a sentence where it could not, and is asked again later. */
export type Deliver = (delivery: Delivery, signal: AbortSignal) => Promise<string>;

export type PlaceDeps = {
  readonly dial: GuardedDial & Dial;
  /** The folder that exports may be put under; empty: none. */
  readonly base: string;
  readonly now: () => number;
};

/** One kind of place that scheduled exports go to. */
export type Place = {
  readonly type: string;
  readonly schema: ConfigSchema;
  /** Throws a sentence where the configuration can't be used. */
  readonly make: (config: JsonObject, deps: PlaceDeps) => Deliver;
};

const TIMEOUT_MS = 120_000;

const sync = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const folderSchema = {
  type: 'object',
  required: [],
  additionalProperties: false,
  properties: {
    path: {
      type: 'string',
      maxLength: 512,
      pattern: '^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$',
      default: '',
      description: 'A folder under exports.folder.',
    },
  },
} as const;

/** Each file under a name of its own first, then renamed; the manifest last: where it stands, all of a run is there. */
const folder: Place = {
  type: 'folder',
  schema: folderSchema as unknown as ConfigSchema,
  make: (config, { base }) => {
    if (base === '') throw new Error('This node has no folder for exports: exports.folder names it.');
    return async (delivery) => {
      const root = await realpath(base);
      const wanted = join(root, String(config['path'] ?? ''), delivery.folder);
      await mkdir(wanted, { recursive: true, mode: 0o750 });
      const into = await realpath(wanted);
      if (into !== root && !into.startsWith(root + sep)) throw new Error(`${wanted} leads out of exports.folder.`);
      for (const { name } of delivery.parts) {
        const draft = join(into, `.${name}.partial`);
        await copyFile(delivery.pathOf(name), draft);
        await sync(draft);
        await rename(draft, join(into, name));
      }
      const manifest = join(into, '.manifest.json.partial');
      const handle = await open(manifest, 'w', 0o640);
      await handle.writeFile(delivery.manifest);
      await handle.sync();
      await handle.close();
      await rename(manifest, join(into, 'manifest.json'));
      await sync(into);
      return into;
    };
  },
};

const s3Schema = {
  type: 'object',
  required: ['bucket', 'access_key_id', 'secret_access_key'],
  additionalProperties: false,
  properties: S3_PROPERTIES,
} as const;

const putOnce = async (
  { sdk, client }: { readonly sdk: typeof import('@aws-sdk/client-s3'); readonly client: S3Client },
  object: { readonly Bucket: string; readonly Key: string; readonly Body: Buffer | ReturnType<typeof createReadStream>; readonly ContentLength: number },
  sha256: string,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await client.send(new sdk.PutObjectCommand({ ...object, IfNoneMatch: '*', Metadata: { 'verdict-sha256': sha256 } }), { abortSignal: signal });
  } catch (error) {
    if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== 412) throw error;
    const { Metadata } = await client.send(new sdk.HeadObjectCommand({ Bucket: object.Bucket, Key: object.Key }), { abortSignal: signal });
    if (Metadata?.['verdict-sha256'] !== sha256)
      throw new Error(`In ${object.Bucket} stands another object under the name ${object.Key}, and nothing is written over it.`);
  }
};

const s3: Place = {
  type: 's3',
  schema: s3Schema as unknown as ConfigSchema,
  make: (config, { dial }) => {
    const {
      bucket,
      prefix = '',
      region = 'us-east-1',
      path_style = true,
      ...credentials
    } = config as unknown as Pick<S3Access, 'access_key_id' | 'secret_access_key'> & {
      readonly bucket: string;
      readonly prefix?: string;
      readonly region?: string;
      readonly path_style?: boolean;
      readonly session_token?: string;
    };
    const endpoint = new URL(String(config['endpoint'] ?? `https://s3.${region}.amazonaws.com`));
    if (endpoint.protocol !== 'https:' && config['plain_http'] !== true)
      throw new Error(`${endpoint.origin} is not encrypted: use https, or allow it with plain_http.`);
    const { access_key_id, secret_access_key, session_token } = credentials;
    const access: S3Access = {
      endpoint,
      region,
      path_style,
      access_key_id,
      secret_access_key,
      timeout_ms: TIMEOUT_MS,
      ...(session_token !== undefined && { session_token }),
    };
    return async (delivery, signal) => {
      dial.check(endpoint.hostname);
      const opened = await openS3(access, dial);
      try {
        for (const { name, bytes, sha256 } of delivery.parts) {
          const object = { Bucket: bucket, Key: `${prefix}${delivery.folder}/${name}`, Body: createReadStream(delivery.pathOf(name)), ContentLength: bytes };
          await putOnce(opened, object, sha256, signal);
        }
        const Key = `${prefix}${delivery.folder}/manifest.json`;
        // The manifest names its parts by their hashes: the same parts make the same manifest.
        await putOnce(opened, { Bucket: bucket, Key, Body: delivery.manifest, ContentLength: delivery.manifest.length }, 'manifest', signal);
        return `s3://${bucket}/${prefix}${delivery.folder}`;
      } finally {
        opened.client.destroy();
      }
    };
  },
};

const webhookSchema = {
  type: 'object',
  required: ['url', 'signing_secret'],
  additionalProperties: false,
  properties: {
    url: { type: 'string', maxLength: 2048, pattern: '^https?://', description: 'Where it is told that an export is ready, and where its files are fetched.' },
    signing_secret: {
      type: 'string',
      maxLength: 128,
      pattern: WEBHOOK_SECRET,
      description: 'Signs by Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.',
      'x-secret': true,
    },
    plain_http: { type: 'boolean', default: false, description: 'Allows http instead of https.' },
  },
} as const;

const webhook: Place = {
  type: 'webhook',
  schema: webhookSchema as unknown as ConfigSchema,
  make: (config, { dial, now }) => {
    const url = new URL(String(config['url']));
    if (url.protocol !== 'https:' && config['plain_http'] !== true) throw new Error(`${url.origin} is not encrypted: use https, or allow it with plain_http.`);
    const key = webhookKey(String(config['signing_secret']), 'signing_secret');
    return async (delivery, signal) => {
      const kept = delivery.keep();
      const body = Buffer.from(
        JSON.stringify({
          type: 'export.ready',
          timestamp: new Date(now()).toISOString(),
          data: { files: kept.url, manifest: JSON.parse(delivery.manifest.toString()) as JsonObject },
        }),
      );
      const headers = { 'content-type': 'application/json', ...webhookHeaders([key], body, now()) };
      try {
        const { status } = await outboundRequest(dial)({ url: url.href, method: 'POST', headers, body }, signal);
        if (status < 200 || status > 299) throw new Error(`${url.origin} answered ${status}.`);
      } catch (error) {
        kept.drop();
        throw error;
      }
      return kept.url;
    };
  },
};

/** Every kind of place, by its type. */
export const PLACES: ReadonlyMap<string, Place> = new Map([folder, s3, webhook].map((place) => [place.type, place]));
