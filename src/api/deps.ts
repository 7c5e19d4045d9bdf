import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { ApiKeyOutcome, ApiKeyWish, Authenticate, Caller, Guard, RefusedRequest, ShownApiKey } from '../caller/index.js';
import type { Decide } from '../evaluate/decide.js';
import type { Directory, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import type { SearchFor } from '../evaluate/search.js';
import type { LogRange } from '../event/index.js';
import type { JobFolder } from '../export/index.js';
import type { ForwarderDesk } from '../forward/index.js';
import type { Journal } from '../ingest/journal-types.js';
import type { Quarantine, Replayed } from '../ingest/quarantine.js';
import type { ScheduleDesk } from '../schedule/index.js';
import type { Store } from '../store/index.js';

/** What queries and exports are answered from; each function rejects where the store can't answer. */
export type AuditStore = Pick<Store, 'list' | 'get' | 'scan' | 'lastUses'> & {
  /** What of each log the store has not received, up to the log's last known place. */
  readonly gaps: () => Promise<readonly LogRange[]>;
};

/** What the front knows of a request, for the events that come of it. */
export type RequestMeta = { readonly requestId: string; readonly address: string };

export type Keys = {
  readonly create: (caller: Caller, wish: ApiKeyWish, meta: RequestMeta) => Promise<ApiKeyOutcome>;
  readonly list: (caller: Caller) => readonly ShownApiKey[];
  readonly rotate: (caller: Caller, id: string, meta: RequestMeta) => Promise<ApiKeyOutcome>;
  readonly revoke: (caller: Caller, id: string, meta: RequestMeta) => Promise<ApiKeyOutcome>;
};

/** Events that were set aside instead of stored, and how they are offered again. */
export type QuarantineDesk = Pick<Quarantine, 'list'> & { readonly replay: (ids: readonly string[]) => Promise<readonly Replayed[]> };

export type PartStatus = { readonly name: string; readonly ok: boolean; readonly message?: string };

/** What the API is made of. Everything it touches comes in here. */
export type ApiDeps = {
  /** Verdict's own policy: who may do what with this API. */
  readonly guard: Guard;
  readonly authenticate: Authenticate;
  /** Makes a refusal an event. */
  readonly refused: (caller: Caller | undefined, refusal: RefusedRequest) => unknown;
  /** The client's address, proxies that are trusted taken off. */
  readonly clientAddress: (incoming: IncomingMessage) => string;
  readonly decide: Decide;
  readonly search: SearchFor;
  readonly journal: Pick<Journal, 'append' | 'known' | 'settled'>;
  readonly directory: Pick<Directory, 'get' | 'list'>;
  /** Records the changes and applies them, in order, each by itself. */
  readonly writeEntities: (caller: Caller, changes: readonly EntityChange[], meta: RequestMeta) => Promise<readonly EntityOutcome[]>;
  readonly audit: AuditStore;
  /** Exports that run by themselves, on this node. */
  readonly exportJobs: JobFolder;
  /** Exports that are made again and again. */
  readonly schedules: ScheduleDesk;
  /** The revision of the policy in force. */
  readonly revision: () => string;
  readonly keys: Keys;
  readonly quarantine: QuarantineDesk;
  /** Standing feeds to other places. */
  readonly forwarders: Omit<ForwarderDesk, 'again'>;
  /** A prom-client registry, or what speaks for several. */
  readonly metrics: { readonly contentType: string; readonly metrics: () => Promise<string> };
  readonly ready: () => { readonly ok: boolean; readonly parts: readonly PartStatus[] };
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Told of each answer, by route, for metrics. */
  readonly observe?: (answer: { readonly method: string; readonly route: string; readonly status: number; readonly seconds: number }) => void;
  readonly now?: () => number;
};

export type ApiConfig = {
  /** The address that clients use, where it differs from the one they ask: `http.public_url`. */
  readonly publicUrl: string;
  readonly version: string;
};
