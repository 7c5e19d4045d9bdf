import { isDecided, readDecision, readDecisions, readPage, readRecorded } from './answer.js';
import { type CacheConfig, createCache, keyOf } from './cache.js';
import { pagesOf } from './search.js';
import { createTransport, type TransportConfig } from './transport.js';
import {
  type ActionSearch,
  type Decision,
  type Found,
  type FoundAction,
  type NewEvent,
  type Question,
  type Questions,
  type Recorded,
  type ResourceSearch,
  type SubjectSearch,
  VerdictError,
} from './types.js';

export type VerdictClientConfig = TransportConfig & {
  /** What an error or a time-out is to `evaluate` and `evaluations`: a deny that says why (unless told), or an exception. It is never an allow. */
  readonly onError?: 'deny' | 'throw';
  /** Answers of `evaluate` may be given again for a short time. Such an answer makes no record; none is kept unless told. */
  readonly cache?: CacheConfig;
};

export type AskOptions = {
  /** Verdict records it with the decision, so that the two logs can be joined: 1–128 of `A–Z a–z 0–9 . _ ~ : / + = @ -`. */
  readonly requestId?: string;
  readonly signal?: AbortSignal;
};
export type SearchOptions = AskOptions & { /** How many a page; Verdict's own choice unless told. */ readonly limit?: number };

export type VerdictClient = {
  /** May this subject do this action on this resource? */
  readonly evaluate: (question: Question, options?: AskOptions) => Promise<Decision>;
  /** Several questions in one request: an answer each, in order; fewer where a short-circuit semantic stops early. */
  readonly evaluations: (questions: Questions, options?: AskOptions) => Promise<readonly Decision[]>;
  /** All who may, everything that they may, and all that they may do, page by page as it is read. Throws {@link VerdictError} midway where a page can't be had. */
  readonly search: {
    readonly subjects: (search: SubjectSearch, options?: SearchOptions) => AsyncIterable<Found>;
    readonly resources: (search: ResourceSearch, options?: SearchOptions) => AsyncIterable<Found>;
    readonly actions: (search: ActionSearch, options?: SearchOptions) => AsyncIterable<FoundAction>;
  };
  /** Records what happened; resolves when it is durable, all or nothing. Rejects with {@link VerdictError}. Events with an `id` are sent again where a connection broke. */
  readonly recordEvents: (events: readonly NewEvent[], options?: AskOptions) => Promise<readonly Recorded[]>;
  /** Closes the connections that are kept. */
  readonly close: () => void;
};

const denied = (error: VerdictError): Decision => ({
  decision: false,
  reasons: [{ code: error.code, message: error.message }],
  advice: [],
  cached: false,
  error,
});

const lookup = ({ requestId, signal }: AskOptions) => ({ ...(requestId !== undefined && { requestId }), ...(signal && { signal }) });

/** A client of one Verdict (or of a load balancer before several). One for a process is enough: it keeps its connections. */
export const verdictClient = (config: VerdictClientConfig): VerdictClient => {
  const transport = createTransport(config);
  const cache = config.cache && createCache(config.cache);

  /** Whatever goes wrong is a deny, as many times as `count` says; or an exception where that is asked for. */
  const failClosed = async (count: number, ask: () => Promise<readonly Decision[]>): Promise<readonly Decision[]> => {
    try {
      return await ask();
    } catch (error) {
      if (config.onError === 'throw') throw error;
      const known = error instanceof VerdictError ? error : new VerdictError('client.answer', (error as Error).message);
      return Array.from({ length: count }, () => denied(known));
    }
  };

  const evaluate = async (question: Question, options: AskOptions = {}): Promise<Decision> => {
    const key = cache && keyOf(question);
    const known = key === undefined ? undefined : cache?.get(key);
    if (known) return known;
    const [decision] = await failClosed(1, async () => [
      readDecision(await transport.post('/access/v1/evaluation', { body: question, again: true, ...lookup(options) })),
    ]);
    if (key !== undefined && decision && isDecided(decision)) cache?.put(key, decision);
    return decision as Decision;
  };

  const pages = <T>(path: string, search: object, { limit, ...options }: SearchOptions = {}, isFound: (value: unknown) => value is T): AsyncIterable<T> =>
    pagesOf(async (token) => {
      const page = { ...(token !== undefined && { token }), ...(limit !== undefined && { limit }) };
      return readPage(await transport.post(path, { body: { ...search, page }, again: true, ...lookup(options) }), isFound);
    });

  return {
    evaluate,
    evaluations: async (questions, options = {}) => {
      if (questions.evaluations.length === 0) return [];
      const decisions = await failClosed(questions.evaluations.length, async () =>
        readDecisions(await transport.post('/access/v1/evaluations', { body: questions, again: true, ...lookup(options) }), questions),
      );
      for (const decision of decisions) cache?.see(decision);
      return decisions;
    },
    search: {
      subjects: (search, options) => pages('/access/v1/search/subject', search, options, isFound),
      resources: (search, options) => pages('/access/v1/search/resource', search, options, isFound),
      actions: (search, options) => pages('/access/v1/search/action', search, options, isFoundAction),
    },
    recordEvents: async (events, options = {}) => {
      if (events.length === 0) return [];
      const again = events.every(({ id }) => id !== undefined);
      return readRecorded(await transport.post('/v1/events', { body: events, again, ...lookup(options) }));
    },
    close: transport.close,
  };
};

const isObject = (value: unknown): value is { readonly [name: string]: unknown } => typeof value === 'object' && value !== null;
const isFound = (value: unknown): value is Found => isObject(value) && typeof value['type'] === 'string' && typeof value['id'] === 'string';
const isFoundAction = (value: unknown): value is FoundAction => isObject(value) && typeof value['name'] === 'string';
