import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parse } from 'yaml';
import { newAjv, sayError } from './event/schema.js';

const seconds = (fallback: number, description: string) => ({ type: 'number', exclusiveMinimum: 0, maximum: 86_400, default: fallback, description }) as const;
const file = { type: 'string', default: '' } as const;
const flag = (fallback: boolean, description: string) => ({ type: 'boolean', default: fallback, description }) as const;
const section = (properties: object) => ({ type: 'object', additionalProperties: false, default: {}, properties }) as const;

const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;

/** Every key of verdict.yaml with its type, bounds, default and meaning. */
export const configSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    data_dir: { type: 'string', minLength: 1, default: './data', description: 'The folder of everything this node keeps.' },
    admin_token: {
      type: 'string',
      default: '',
      description: 'A credential with every permission on every account. Made once and kept in the data folder where it is empty.',
    },
    region: { type: 'string', default: '', description: 'Where this node stands; events of its decisions carry it.' },
    http: section({
      host: { type: 'string', default: '127.0.0.1', description: 'The address to listen on.' },
      port: { type: 'integer', minimum: 0, maximum: 65_535, default: 8088, description: 'The port to listen on; 0 takes a free one.' },
      public_url: {
        type: 'string',
        pattern: '^(https?://[^/?#\\s]+(/[^?#\\s]*)?)?$',
        default: '',
        description: 'The address that clients use, where it differs: a URL without query and fragment.',
      },
      trusted_proxies: { type: 'array', items: { type: 'string' }, default: [], description: 'CIDRs whose X-Forwarded-For is believed.' },
      drain_ms: { type: 'integer', minimum: 0, default: 10_000, description: 'How long requests in flight may take at a stop.' },
      tls: section({
        cert: { ...file, description: 'PEM file with the certificate chain; with `key` it turns TLS 1.3 on.' },
        key: { ...file, description: 'PEM file with the private key.' },
        client_ca: { ...file, description: 'PEM file with the authorities of client certificates; turns mTLS on.' },
      }),
    }),
    auth: section({
      cache_seconds: seconds(
        60,
        'How long a checked credential is known, at most. Changing or revoking an API key drops it at once; a JWT is known for so long, or until its exp, whatever the directory says.',
      ),
      issuers: {
        type: 'array',
        default: [],
        description: 'Who may issue JWTs.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['issuer', 'audience', 'jwks'],
          properties: {
            issuer: { type: 'string', minLength: 1, description: 'The `iss` of its tokens.' },
            audience: { type: 'string', minLength: 1, description: 'The `aud` that its tokens for Verdict have.' },
            jwks: { type: 'string', minLength: 1, description: 'URL (https, or http on loopback) or file of the JWK set.' },
            algorithms: {
              type: 'array',
              items: { enum: ALGORITHMS },
              minItems: 1,
              default: ['ES256', 'EdDSA', 'RS256'],
              description: 'The signatures to accept.',
            },
            accounts_claim: { type: 'string', default: 'verdict_accounts', description: 'The claim with the accounts that the token may act on, or `all`.' },
            permissions_claim: { type: 'string', default: 'verdict_permissions', description: 'The claim with what the token may do.' },
            name_claim: { type: 'string', default: 'client_id', description: 'The claim with the name that its events carry as their source.' },
            clock_tolerance_seconds: { type: 'number', minimum: 0, maximum: 300, default: 5, description: 'How far its clock may be off.' },
          },
        },
      },
    }),
    end_users: section({
      cookie: { type: 'string', default: '', description: 'A cookie that carries the token where there is no Authorization header; empty: none does.' },
      cache_seconds: seconds(60, 'How long a checked JWT of an end user is known, at most; never beyond its exp.'),
      issuers: {
        type: 'array',
        default: [],
        description:
          "Who may issue the JWTs of the platform's end users, whom the gateway and the proxies ask about. Tokens whose hash stands in the directory need none.",
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['issuer', 'audience', 'jwks'],
          properties: {
            issuer: { type: 'string', minLength: 1, description: 'The `iss` of its tokens.' },
            audience: { type: 'string', minLength: 1, description: 'The `aud` that its tokens have.' },
            jwks: { type: 'string', minLength: 1, description: 'URL (https, or http on loopback) or file of the JWK set.' },
            algorithms: {
              type: 'array',
              items: { enum: ALGORITHMS },
              minItems: 1,
              default: ['ES256', 'EdDSA', 'RS256'],
              description: 'The signatures to accept.',
            },
            subject_type: { type: 'string', minLength: 1, default: 'user', description: "The type of the question's subject." },
            subject_claim: { type: 'string', minLength: 1, default: 'sub', description: "The claim with the subject's id." },
            account_claim: { type: 'string', default: 'account', description: 'The claim with the account that is acted in; empty: none.' },
            email_claim: { type: 'string', default: 'email', description: 'The claim with the e-mail address; empty: none.' },
            token_claim: { type: 'string', default: '', description: 'The claim with the id of the token in the directory; empty: none.' },
            clock_tolerance_seconds: { type: 'number', minimum: 0, maximum: 300, default: 5, description: 'How far its clock may be off.' },
          },
        },
      },
    }),
    routes: section({
      file: { ...file, description: "The route table (YAML), or the upstream's OpenAPI document (JSON or YAML, a file or a URL) with x-verdict-action." },
    }),
    ext_authz: section({
      grpc_host: { type: 'string', minLength: 1, default: '127.0.0.1', description: "The address to listen on for Envoy's gRPC." },
      grpc_port: {
        type: 'integer',
        minimum: 0,
        maximum: 65_535,
        default: 0,
        description: "The port of Envoy's gRPC (envoy.service.auth.v3.Authorization); 0: not at all. The proxies that ask over HTTP use http.port.",
      },
      grpc_tls: section({
        cert: { ...file, description: 'PEM file with the certificate chain; with `key` it turns TLS 1.3 on.' },
        key: { ...file, description: 'PEM file with the private key.' },
        client_ca: { ...file, description: 'PEM file with the authorities of client certificates; turns mTLS on.' },
      }),
    }),
    gateway: section({
      upstream: { type: 'string', default: '', description: 'The API behind the gateway: http(s)://host:port, without a path. Empty: no gateway.' },
      host: { type: 'string', default: '127.0.0.1', description: 'The address that the gateway listens on.' },
      port: { type: 'integer', minimum: 0, maximum: 65_535, default: 8089, description: 'Its port; 0 takes a free one.' },
      tls: section({
        cert: { ...file, description: 'PEM file with the certificate chain; with `key` the gateway speaks TLS 1.3.' },
        key: { ...file, description: 'PEM file with the private key.' },
      }),
      upstream_tls: section({
        ca: { ...file, description: "PEM file with the authorities to trust; the system's where it is empty." },
        cert: { ...file, description: 'PEM file with a client certificate to show to the upstream.' },
        key: { ...file, description: "PEM file with the client certificate's private key." },
      }),
      preserve_host: flag(false, "Pass the client's Host on; otherwise the upstream's own, and the client's in X-Forwarded-Host."),
      max_connections: { type: 'integer', minimum: 1, default: 1024, description: 'Connections to the upstream, of each decision worker.' },
      body_bytes: { type: 'integer', minimum: 1024, maximum: 16_777_216, default: 262_144, description: 'The largest body of a route that needs it.' },
      answer_bytes: {
        type: 'integer',
        minimum: 1024,
        maximum: 67_108_864,
        default: 1_048_576,
        description: 'How much of an answer is read for a route that learns from it; a longer one goes on unread, and an error event says so.',
      },
      connect_ms: {
        type: 'integer',
        minimum: 1,
        default: 5_000,
        description: 'How long a connection to the upstream may take, a wait for a free one included.',
      },
      headers_ms: { type: 'integer', minimum: 1, default: 60_000, description: "How long the upstream may take from a request's end to its answer's headers." },
      idle_ms: { type: 'integer', minimum: 1, default: 120_000, description: 'How long nothing may move in a body, either way, before it is broken off.' },
      keep_alive_ms: {
        type: 'integer',
        minimum: 1,
        default: 4_000,
        description: "How long an unused connection to the upstream is kept; less than the upstream's own.",
      },
      breaker: section({
        failures: { type: 'integer', minimum: 1, default: 5, description: 'After so many requests in a row without an answer the upstream is not asked …' },
        open_ms: { type: 'integer', minimum: 1, default: 5_000, description: '… but by one request in so long.' },
      }),
    }),
    policy: section({
      bundle: {
        type: 'string',
        default: '',
        description: 'The bundle.tar.gz to decide by: a file, or the URL where a server has it; the one that ships where it is empty.',
      },
      entrypoint: { type: 'string', minLength: 1, default: 'verdict/decision', description: 'The rule of the bundle that is asked.' },
      timeout_ms: { type: 'integer', minimum: 50, default: 2000, description: 'A decision worker that stands still for so long is replaced.' },
      memory_pages: { type: 'integer', minimum: 5, maximum: 65_536, default: 2048, description: 'The most memory an evaluation may have, in pages of 64 KiB.' },
      poll_seconds: seconds(10, 'The least pause between two looks at the bundle; a file is also watched, so that a change is seen at once.'),
      poll_max_seconds: seconds(
        30,
        "The longest pause between two requests to a bundle server: each is drawn between the two, so that a fleet's don't fall together.",
      ),
      long_poll_seconds: {
        type: 'number',
        minimum: 0,
        maximum: 3600,
        default: 30,
        description: 'How long a bundle server may hold a request until there is a new bundle (`Prefer: wait`); 0: not at all.',
      },
      fetch_seconds: seconds(30, "A bundle server's time for its answer to begin (beyond long_poll_seconds), and then for its bytes to arrive."),
      max_bytes: { type: 'integer', minimum: 1024, default: 104_857_600, description: 'The largest bundle.tar.gz that is read, in bytes.' },
      token: { type: 'string', default: '', description: 'The bearer token to show to the bundle server.' },
      allow_http: flag(false, 'Ask a bundle server without TLS on another machine, too: what it sends can be changed on the way.'),
      tls: section({
        ca: { ...file, description: "PEM file with the authorities to trust; the system's where it is empty." },
        cert: { ...file, description: 'PEM file with a client certificate.' },
        key: { ...file, description: "PEM file with the client certificate's private key." },
      }),
      verification_keys: {
        type: 'object',
        default: {},
        description: 'The keys that bundles may be signed with, by their ids.',
        additionalProperties: {
          type: 'object',
          additionalProperties: false,
          required: ['key', 'algorithm'],
          properties: {
            key: { type: 'string', minLength: 1, description: 'The public key as PEM, or a file with it.' },
            algorithm: { enum: ['EdDSA', 'ES256', 'RS256'], description: 'The one algorithm that its signatures have.' },
            scope: { type: 'string', default: '', description: 'The scope that its signatures name; empty: they name none.' },
          },
        },
      },
      require_signature: { type: 'boolean', description: 'Take no bundle that is not signed; true where keys are pinned.' },
    }),
    decision: section({
      workers: { type: 'integer', minimum: 0, maximum: 256, default: 0, description: 'Decision processes; 0: one for every four cores, at least one.' },
    }),
    directory: section({
      max_staleness: {
        type: 'number',
        exclusiveMinimum: 0,
        default: 120,
        description: 'Seconds after which an unconfirmed copy of the directory denies with directory.stale.',
      },
    }),
    journal: section({
      durability: { enum: ['disk', 'kafka'], default: 'disk', description: 'What "durable" waits for: this disk, or the brokers.' },
      max_bytes: {
        type: 'integer',
        minimum: 1_048_576,
        default: 4_294_967_296,
        description:
          "The events that wait in the journal of one worker; beyond it, answers are 503. The memory of producers' ids takes disk on top: 48 hours of them, about 430 bytes each.",
      },
    }),
    ingest: section({
      batch_bytes: { type: 'integer', minimum: 1024, default: 8_388_608, description: 'A batch is inserted when it has so many bytes …' },
      batch_ms: { type: 'integer', minimum: 1, default: 500, description: '… or its first event has waited for so long.' },
    }),
    exports: section({
      keep_hours: { type: 'number', minimum: 1, maximum: 8760, default: 168, description: 'How long the files of an ended export job are kept.' },
      part_bytes: {
        type: 'integer',
        minimum: 1_048_576,
        default: 268_435_456,
        description: 'A part of an export job is closed when it was made of so many bytes of events.',
      },
      folder: { type: 'string', default: '', description: 'The folder that scheduled exports may be put under; empty: none is put into a folder.' },
      settle_seconds: seconds(30, 'How long after it was due a scheduled export waits for events that are still on their way to the store.'),
    }),
    kafka: section({
      brokers: { type: 'array', items: { type: 'string', minLength: 1 }, default: [], description: 'host:port of each; none: the journal is the stream.' },
      client_id: { type: 'string', default: 'verdict', description: 'How this node names itself to the brokers.' },
      topic_prefix: { type: 'string', default: 'verdict', description: 'Topics are <prefix>.events, <prefix>.entities, <prefix>.quarantine.' },
      partitions: { type: 'integer', minimum: 1, default: 12, description: 'Of the events topic, where Verdict makes it.' },
      replication_factor: { type: 'integer', minimum: 1, default: 3, description: 'Cut to the number of brokers where there are fewer.' },
      tls: section({
        enabled: flag(false, 'Speak TLS with the brokers.'),
        ca: { ...file, description: "PEM file with the authorities to trust; the system's where it is empty." },
        cert: { ...file, description: 'PEM file with a client certificate.' },
        key: { ...file, description: "PEM file with the client certificate's private key." },
      }),
      sasl: section({
        mechanism: {
          enum: ['', 'plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'],
          default: '',
          description: 'How to authenticate; empty: not at all.',
        },
        username: { type: 'string', default: '', description: 'PLAIN and SCRAM.' },
        password: { type: 'string', default: '', description: 'PLAIN and SCRAM.' },
        token_url: { type: 'string', default: '', description: 'OAUTHBEARER: where a token is had by client credentials.' },
        client_id: { type: 'string', default: '', description: 'OAUTHBEARER.' },
        client_secret: { type: 'string', default: '', description: 'OAUTHBEARER.' },
        scope: { type: 'string', default: '', description: 'OAUTHBEARER: asked for with the token, where the issuer wants one.' },
      }),
    }),
    clickhouse: section({
      url: { type: 'string', default: '', description: 'The HTTP interface of a server or cluster; empty: the embedded store.' },
      database: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$', default: 'verdict', description: 'Where the tables are; made if it is missing.' },
      username: { type: 'string', default: 'default', description: 'Who Verdict is there.' },
      password: { type: 'string', default: '', description: 'Its password.' },
      cluster: { type: 'string', pattern: '^[A-Za-z0-9_-]*$', default: '', description: 'The cluster to make replicated, distributed tables on.' },
      tls: section({
        ca: { ...file, description: "PEM file with the authorities to trust; the system's where it is empty." },
        cert: { ...file, description: 'PEM file with a client certificate.' },
        key: { ...file, description: "PEM file with the client certificate's private key." },
      }),
      query_seconds: seconds(10, 'The time limit of a query: what was found until then is the page.'),
    }),
    collect: section({
      sources: {
        type: 'array',
        items: { enum: ['libvirt'] },
        default: [],
        description: 'What this node watches by itself and records; its sources are ground truth.',
      },
      libvirt: section({
        uri: { type: 'string', pattern: '^[^-]', default: 'qemu:///system', description: 'The connection to watch, as `virsh -c` takes it.' },
        virsh: { type: 'string', minLength: 1, default: 'virsh', description: "libvirt's command line: a name on the PATH, or a file." },
        property: {
          type: 'string',
          default: '',
          description: "The property of an instance that names its domain, by name or UUID; empty: the instance's id is the domain's name or UUID.",
        },
        reconcile_seconds: seconds(10, 'Between two listings of all domains, which find what no event told of.'),
        account_wait_seconds: seconds(15, "How long the event of a domain that the directory doesn't know waits for its instance to appear there."),
      }),
    }),
    ground_truth: section({
      sources: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 128 },
        default: [],
        description: 'Producers that report what really happened: a change of theirs without an allowed decision is recorded as platform.unauthorised_change.',
      },
      window_minutes: {
        type: 'number',
        exclusiveMinimum: 0,
        maximum: 10_080,
        default: 10,
        description: 'How long before a change its decision may have been made.',
      },
      grace_seconds: seconds(10, 'How long a reported change waits for decisions that other nodes still bring to the store.'),
    }),
    outbound: section({
      allow: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        default: [],
        description: 'CIDRs that forwarders and channels may send to, although they are private, loopback or otherwise guarded.',
      },
    }),
    secrets: section({
      key: {
        type: 'string',
        default: '',
        description: 'The key that the secrets of forwarders and channels are encrypted with: 32 random bytes, base64 or hex.',
      },
      old_keys: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        default: [],
        description: 'Earlier keys, to open what was encrypted before a change of the key.',
      },
    }),
    forwarders: section({
      max: { type: 'integer', minimum: 0, maximum: 1000, default: 100, description: 'The most forwarders there may be: each reads the stream for itself.' },
    }),
    log: section({ level: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'silent'], default: 'info', description: 'The least that is logged.' } }),
  },
} as const;

export type IssuerConfig = {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks: string;
  readonly algorithms: readonly string[];
  readonly accounts_claim: string;
  readonly permissions_claim: string;
  readonly name_claim: string;
  readonly clock_tolerance_seconds: number;
};

/** Who may issue the tokens of end users, and what of their claims says who they are. */
export type EndUserIssuerConfig = {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks: string;
  readonly algorithms: readonly string[];
  readonly subject_type: string;
  readonly subject_claim: string;
  readonly account_claim: string;
  readonly email_claim: string;
  readonly token_claim: string;
  readonly clock_tolerance_seconds: number;
};

export type EndUsersConfig = { readonly issuers: readonly EndUserIssuerConfig[]; readonly cookie: string; readonly cache_seconds: number };

/** How proxies ask beside HTTP. */
export type ExtAuthzConfig = {
  readonly grpc_host: string;
  readonly grpc_port: number;
  readonly grpc_tls: { readonly cert: string; readonly key: string; readonly client_ca: string };
};

export type KafkaConfig = {
  readonly brokers: readonly string[];
  readonly client_id: string;
  readonly topic_prefix: string;
  readonly partitions: number;
  readonly replication_factor: number;
  readonly tls: { readonly enabled: boolean; readonly ca: string; readonly cert: string; readonly key: string };
  readonly sasl: {
    readonly mechanism: '' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer';
    readonly username: string;
    readonly password: string;
    readonly token_url: string;
    readonly client_id: string;
    readonly client_secret: string;
    readonly scope: string;
  };
};

export type ClickHouseConfig = {
  readonly url: string;
  readonly database: string;
  readonly username: string;
  readonly password: string;
  readonly cluster: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly query_seconds: number;
};

export type CollectConfig = {
  readonly sources: readonly 'libvirt'[];
  readonly libvirt: {
    readonly uri: string;
    readonly virsh: string;
    readonly property: string;
    readonly reconcile_seconds: number;
    readonly account_wait_seconds: number;
  };
};

export type GroundTruthConfig = { readonly sources: readonly string[]; readonly window_minutes: number; readonly grace_seconds: number };

export type VerificationKeyConfig = { readonly key: string; readonly algorithm: 'EdDSA' | 'ES256' | 'RS256'; readonly scope: string };

export type GatewayConfig = {
  readonly upstream: string;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string };
  readonly upstream_tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly preserve_host: boolean;
  readonly max_connections: number;
  readonly body_bytes: number;
  readonly answer_bytes: number;
  readonly connect_ms: number;
  readonly headers_ms: number;
  readonly idle_ms: number;
  readonly keep_alive_ms: number;
  readonly breaker: { readonly failures: number; readonly open_ms: number };
};

export type PolicyConfig = {
  readonly bundle: string;
  readonly entrypoint: string;
  readonly timeout_ms: number;
  readonly memory_pages: number;
  readonly poll_seconds: number;
  readonly poll_max_seconds: number;
  readonly long_poll_seconds: number;
  readonly fetch_seconds: number;
  readonly max_bytes: number;
  readonly token: string;
  readonly allow_http: boolean;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly verification_keys: Readonly<Record<string, VerificationKeyConfig>>;
  /** Absent: where keys are pinned. */
  readonly require_signature?: boolean;
};

export type Config = {
  readonly data_dir: string;
  readonly admin_token: string;
  readonly region: string;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly public_url: string;
    readonly trusted_proxies: readonly string[];
    readonly drain_ms: number;
    readonly tls: { readonly cert: string; readonly key: string; readonly client_ca: string };
  };
  readonly auth: { readonly cache_seconds: number; readonly issuers: readonly IssuerConfig[] };
  readonly policy: PolicyConfig;
  readonly end_users: EndUsersConfig;
  readonly routes: { readonly file: string };
  readonly ext_authz: ExtAuthzConfig;
  readonly gateway: GatewayConfig;
  readonly decision: { readonly workers: number };
  readonly directory: { readonly max_staleness: number };
  readonly journal: { readonly durability: 'disk' | 'kafka'; readonly max_bytes: number };
  readonly ingest: { readonly batch_bytes: number; readonly batch_ms: number };
  readonly exports: { readonly keep_hours: number; readonly part_bytes: number; readonly folder: string; readonly settle_seconds: number };
  readonly kafka: KafkaConfig;
  readonly clickhouse: ClickHouseConfig;
  readonly collect: CollectConfig;
  readonly ground_truth: GroundTruthConfig;
  readonly outbound: { readonly allow: readonly string[] };
  readonly secrets: { readonly key: string; readonly old_keys: readonly string[] };
  readonly forwarders: { readonly max: number };
  readonly log: { readonly level: string };
};

/** A configuration that can't be used. The message names the key or variable, what was wrong, and what is expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Schema = { readonly type?: string; readonly properties?: Record<string, Schema> };

/** `VERDICT_HTTP_PORT` → `['http', 'port']`, for every key of the schema. */
const variables = (schema: Schema = configSchema as Schema, path: readonly string[] = []): Map<string, { path: readonly string[]; schema: Schema }> => {
  const found = new Map<string, { path: readonly string[]; schema: Schema }>();
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const here = [...path, key];
    if (child.properties) for (const [name, value] of variables(child, here)) found.set(name, value);
    else found.set(`VERDICT_${here.join('_').toUpperCase()}`, { path: here, schema: child });
  }
  return found;
};

const fromText = (name: string, text: string, type: string | undefined): unknown => {
  if (type === 'integer' || type === 'number') {
    if (text.trim() === '' || Number.isNaN(Number(text))) throw new ConfigError(`${name} must be a number, not "${text}".`);
    return Number(text);
  }
  if (type === 'boolean') {
    if (text !== 'true' && text !== 'false') throw new ConfigError(`${name} must be true or false, not "${text}".`);
    return text === 'true';
  }
  if (type === 'object') return parse(text) as unknown;
  if (type === 'array')
    return text.trim().startsWith('[')
      ? (parse(text) as unknown)
      : text
          .split(',')
          .map((part) => part.trim())
          .filter(Boolean);
  return text;
};

const put = (target: Record<string, unknown>, path: readonly string[], value: unknown): void => {
  const [head, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) target[head] = value;
  else {
    target[head] ??= {};
    put(target[head] as Record<string, unknown>, rest, value);
  }
};

const readYaml = (path: string): Record<string, unknown> => {
  try {
    return (parse(readFileSync(path, 'utf8')) as Record<string, unknown> | null) ?? {};
  } catch (error) {
    throw new ConfigError(`${path} can't be read as YAML: ${(error as Error).message.split('\n')[0]}`);
  }
};

/** Names that belong to the process family itself and are no keys of the file. */
const INTERNAL = new Set(['VERDICT_CONFIG', 'VERDICT_ROLE', 'VERDICT_TOKEN', 'VERDICT_URL']);

/**
 * Reads `verdict.yaml` (or `$VERDICT_CONFIG`, or `path`) and lays `VERDICT_*` variables over it.
 * Throws {@link ConfigError} for an unknown key, an invalid value or an unreadable file; an unknown variable is a warning.
 */
export const loadConfig = (env: NodeJS.ProcessEnv, path?: string): { readonly config: Config; readonly warnings: readonly string[] } => {
  const chosen = path ?? env['VERDICT_CONFIG'];
  if (chosen && !existsSync(chosen)) throw new ConfigError(`The configuration file ${chosen} does not exist.`);
  const source = chosen ?? 'verdict.yaml';
  const values = existsSync(source) ? readYaml(source) : {};
  const warnings: string[] = [];
  const known = variables();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('VERDICT_') || text === undefined || INTERNAL.has(name)) continue;
    const target = known.get(name);
    if (target) put(values, target.path, fromText(name, text, target.schema.type));
    else warnings.push(`${name} is not a setting of Verdict; it is ignored.`);
  }
  const ajv = newAjv();
  ajv.opts.useDefaults = true;
  const validate = ajv.compile({ ...configSchema });
  if (!validate(values)) throw new ConfigError(`The configuration is not usable: ${sayError(validate.errors, source)}`);
  const config = values as unknown as Config;
  checkTogether(config);
  return { config, warnings };
};

const checkTogether = (config: Config): void => {
  if (config.journal.durability === 'kafka' && config.kafka.brokers.length === 0)
    throw new ConfigError('journal.durability is kafka, but kafka.brokers names none: set VERDICT_KAFKA_BROKERS, or journal.durability to disk.');
  if (Boolean(config.http.tls.cert) !== Boolean(config.http.tls.key)) throw new ConfigError('http.tls needs both cert and key: one of them is missing.');
  if (config.http.tls.client_ca && !config.http.tls.cert)
    throw new ConfigError('http.tls.client_ca asks for client certificates, but http.tls.cert and http.tls.key are missing.');
  const { grpc_tls: tls } = config.ext_authz;
  if (Boolean(tls.cert) !== Boolean(tls.key)) throw new ConfigError('ext_authz.grpc_tls needs both cert and key: one of them is missing.');
  if (tls.client_ca && !tls.cert)
    throw new ConfigError('ext_authz.grpc_tls.client_ca asks for client certificates, but ext_authz.grpc_tls.cert and ext_authz.grpc_tls.key are missing.');
  checkPolicy(config.policy);
  checkGateway(config);
  // Verdict's own acts ask nobody: each would be found to be unauthorised.
  const own = config.ground_truth.sources.find((source) => source === 'verdict' || source === 'pdp');
  if (own) throw new ConfigError(`ground_truth.sources names ${own}, which is Verdict itself: name producers that report what really happened.`);
};

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const checkPolicy = (policy: PolicyConfig): void => {
  if (policy.poll_max_seconds < policy.poll_seconds) throw new ConfigError('policy.poll_max_seconds is less than policy.poll_seconds.');
  if (policy.require_signature && Object.keys(policy.verification_keys).length === 0)
    throw new ConfigError('policy.require_signature asks for signed bundles, but policy.verification_keys pins no key.');
  if (Boolean(policy.tls.cert) !== Boolean(policy.tls.key)) throw new ConfigError('policy.tls needs both cert and key: one of them is missing.');
  if (!isUrl(policy.bundle)) return;
  const url = URL.canParse(policy.bundle) ? new URL(policy.bundle) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new ConfigError(`policy.bundle must be a file or an http(s) URL, not "${policy.bundle}".`);
  if (url.username !== '' || url.password !== '')
    throw new ConfigError('policy.bundle has a name or password in its URL: use policy.token, or a client certificate in policy.tls.');
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname) && !policy.allow_http)
    throw new ConfigError('policy.bundle is plain http to another machine: use https, or set policy.allow_http to true.');
};

const checkGateway = ({ gateway, routes }: Config): void => {
  for (const name of ['tls', 'upstream_tls'] as const)
    if (Boolean(gateway[name].cert) !== Boolean(gateway[name].key)) throw new ConfigError(`gateway.${name} needs both cert and key: one of them is missing.`);
  if (gateway.upstream === '') return;
  const url = URL.canParse(gateway.upstream) ? new URL(gateway.upstream) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new ConfigError(`gateway.upstream must be an http(s) URL such as http://127.0.0.1:3000, not "${gateway.upstream}".`);
  if (url.username !== '' || url.password !== '') throw new ConfigError('gateway.upstream has a name or password in its URL: the gateway passes none on.');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new ConfigError(
      `gateway.upstream has a path ("${url.pathname}${url.search}${url.hash}"): requests go on with the very path that was matched, so give host and port alone.`,
    );
  if (routes.file === '') throw new ConfigError('gateway.upstream is set, but routes.file names no route table: without one every request would be denied.');
};

/** Whether a place is a URL rather than a file. */
export const isUrl = (place: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(place);

/** Decision processes that this configuration asks for. */
export const workerCount = (config: Config): number => config.decision.workers || Math.max(1, Math.floor(availableParallelism() / 4));
