import type { Event, Json, JsonObject } from '../../event/index.js';
import type { EventFormat } from './format.js';
import { type Mapping, newFiller } from './place.js';
import { PRODUCT } from './product.js';
import { address, asJson, type Deed, deedOf, isGood, lastWord, reasonText, summary } from './words.js';

/** The version of the Elastic Common Schema that the field names are of. */
export const ECS_VERSION = '8.17.0';

const LOGINS = new Set(['login', 'logon', 'signin', 'authenticate']);
const LOGOUTS = new Set(['logout', 'logoff', 'signout']);
/** Resources that identity management is about. */
const IDENTITIES = new Set(['user', 'service_account', 'group', 'role', 'policy', 'membership', 'token', 'key', 'api_key']);
const TYPES: { readonly [deed in Deed]: string } = { create: 'creation', read: 'access', update: 'change', delete: 'deletion', other: 'info' };

/** `event.category` and `event.type`, in the values that ECS allows together. */
const categories = ({ kind, action, resource, result }: Event): { readonly category: string; readonly type: readonly string[] } => {
  const type = TYPES[deedOf(action)];
  if (kind === 'decision') return { category: 'api', type: [type, result === 'allowed' ? 'allowed' : 'denied'] };
  const word = lastWord(action).replaceAll(/[_-]/g, '');
  if (LOGINS.has(word)) return { category: 'authentication', type: ['start'] };
  if (LOGOUTS.has(word)) return { category: 'authentication', type: ['end'] };
  if (!IDENTITIES.has(resource.type)) return { category: 'api', type: [type] };
  const subject = resource.type === 'user' || resource.type === 'service_account' ? 'user' : resource.type === 'group' ? 'group' : 'admin';
  return { category: 'iam', type: [type === 'access' ? 'info' : type, subject] };
};

/** As text: a field of its own for each key of a free object would fill an index's mapping, and two types of one key refuse an event. */
const text = (to: string) => ({ to, as: asJson, note: 'JSON as text' }) as const;

const MAPPING: Mapping = {
  id: [{ to: 'event.id' }],
  timestamp: [{ to: '@timestamp' }],
  recorded: [{ to: 'event.created' }],
  account: [{ to: 'organization.id' }, { to: 'cloud.account.id' }],
  kind: [{ to: 'verdict.kind' }],
  'actor.type': [{ to: 'verdict.actor.type' }],
  'actor.id': [{ to: 'user.id' }],
  'actor.email': [{ to: 'user.email' }],
  'actor.ip': [
    { to: 'source.ip', as: address, note: 'an address' },
    { to: 'source.address', note: 'whatever it is' },
  ],
  'actor.user_agent': [{ to: 'user_agent.original' }],
  action: [{ to: 'event.action' }],
  'resource.type': [{ to: 'verdict.resource.type' }],
  'resource.id': [{ to: 'verdict.resource.id' }],
  'resource.name': [{ to: 'verdict.resource.name' }],
  result: [{ to: 'event.outcome', as: (_, { result }) => (isGood(result) ? 'success' : 'failure'), note: '`success` or `failure`' }, { to: 'verdict.result' }],
  details: [text('verdict.details')],
  'decision.allow': [{ to: 'verdict.decision.allow' }],
  'decision.reasons': [{ to: 'event.reason', as: reasonText, note: '`code: message; …`' }, { to: 'verdict.decision.reasons' }],
  'decision.advice': [text('verdict.decision.advice')],
  'decision.policy': [{ to: 'verdict.decision.policy' }],
  'decision.duration_us': [{ to: 'event.duration', as: (us) => (us as number) * 1000, note: 'nanoseconds' }],
  'decision.question': [text('verdict.decision.question')],
  'decision.facts': [text('verdict.decision.facts')],
  caused_by: [{ to: 'verdict.caused_by' }],
  'request.id': [{ to: 'http.request.id' }],
  'request.method': [{ to: 'http.request.method' }],
  'request.path': [{ to: 'url.path' }],
  'request.status': [{ to: 'http.response.status_code' }],
  'request.duration_ms': [{ to: 'verdict.request.duration_ms' }],
  region: [{ to: 'cloud.region' }],
  source: [{ to: 'event.provider' }],
  log: [{ to: 'verdict.log' }],
  seq: [{ to: 'event.sequence' }],
};

const fill = newFiller(MAPPING);

const base = (event: Event): JsonObject => {
  const { category, type } = categories(event);
  return {
    '@timestamp': event.timestamp,
    ecs: { version: ECS_VERSION },
    message: summary(event),
    event: { kind: 'event', module: 'verdict', dataset: 'verdict.audit', category: [category], type: type as Json },
    observer: { vendor: PRODUCT.vendor, product: PRODUCT.name, version: PRODUCT.version() },
  };
};

/** The Elastic Common Schema; what it has no field for is under `verdict.`. */
export const ecs: EventFormat = {
  title: 'ECS',
  version: ECS_VERSION,
  contentType: 'application/x-ndjson',
  isJson: true,
  line: ({ event }) => JSON.stringify(fill(event, base(event))),
  mapping: MAPPING,
  beside: [
    { key: 'ecs.version', value: ECS_VERSION },
    { key: 'message', value: 'one line for people' },
    { key: 'event.kind', value: '`event`' },
    { key: 'event.module, event.dataset', value: '`verdict`, `verdict.audit`' },
    { key: 'event.category', value: '`authentication` (logging in or out), `iam` (users, groups, roles, policies, tokens, keys), else `api`' },
    { key: 'event.type', value: 'from the last word of the action; `allowed` or `denied` for a decision' },
    { key: 'observer.*', value: 'this product and its version' },
  ],
};
