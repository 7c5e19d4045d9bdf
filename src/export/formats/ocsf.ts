import type { Event, Json, JsonObject, Result } from '../../event/index.js';
import { FIELD_NAMES, type FieldName } from './fields.js';
import type { EventFormat } from './format.js';
import { CATEGORIES, CLASSES, type Classified, classify, type OcsfClass } from './ocsf-class.js';
import { type Mapping, newFiller, type Place } from './place.js';
import { PRODUCT } from './product.js';
import { address, isGood, millis, noAddress, reasonText, summary } from './words.js';

/** The version of the Open Cybersecurity Schema Framework that the events are of. */
export const OCSF_VERSION = '1.6.0';

const SEVERITIES: { readonly [result in Result]: readonly [id: number, caption: string] } = {
  allowed: [1, 'Informational'],
  success: [1, 'Informational'],
  denied: [2, 'Low'],
  failure: [2, 'Low'],
  error: [3, 'Medium'],
};

/** Types with a number of their own; any other is 99, with its own name. */
const USER_TYPES: { readonly [type: string]: readonly [id: number, caption: string] } = {
  user: [1, 'User'],
  admin: [2, 'Admin'],
  system: [3, 'System'],
  service: [4, 'Service'],
};
const ENTITY_TYPES: { readonly [type: string]: readonly [id: number, caption: string] } = {
  user: [2, 'User'],
  group: [3, 'Group'],
  organization: [4, 'Organization'],
  policy: [5, 'Policy'],
};
const OTHER = 99;
const ownOf = <T>(table: { readonly [key: string]: T }, key: Json): T | undefined => (Object.hasOwn(table, key as string) ? table[key as string] : undefined);

/** OCSF's `email_t`. */
const EMAIL = /^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/;
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);

const given = (text: Json): Json | undefined => (text === '' ? undefined : text);
/** A place in events of these classes only. */
type ClassPlace = Place & { readonly classes?: readonly OcsfClass[] };
const inClass = (classes: readonly OcsfClass[], place: Place): ClassPlace => ({
  ...place,
  classes,
  note: [`class ${classes.map((name) => CLASSES[name].uid).join(', ')}`, ...(place.note ? [place.note] : [])].join('; '),
});

const MAPPING: { readonly [field in FieldName]: readonly ClassPlace[] } = {
  id: [{ to: 'metadata.uid' }],
  timestamp: [{ to: 'time', as: millis, note: 'milliseconds since 1970' }, { to: 'metadata.original_time' }],
  recorded: [{ to: 'metadata.logged_time', as: millis, note: 'milliseconds since 1970' }],
  account: [{ to: 'metadata.tenant_uid' }, { to: 'cloud.account.uid' }],
  kind: [{ to: 'unmapped.kind' }],
  'actor.type': [
    { to: 'actor.user.type', as: (type) => ownOf(USER_TYPES, type)?.[1] ?? type },
    { to: 'actor.user.type_id', as: (type) => ownOf(USER_TYPES, type)?.[0] ?? OTHER, note: 'user 1, admin 2, system 3, service 4, else 99' },
  ],
  'actor.id': [
    { to: 'actor.user.uid' },
    inClass(['authentication'], {
      to: 'user.uid',
      as: (id, { resource }) => (resource.type === 'user' ? undefined : id),
      note: 'where the resource is no user',
    }),
  ],
  'actor.email': [
    { to: 'actor.user.email_addr', as: (email) => (EMAIL.test(email as string) ? email : undefined), note: 'an address' },
    { to: 'unmapped.actor.email', as: (email) => (EMAIL.test(email as string) ? undefined : given(email)), note: 'anything else' },
  ],
  'actor.ip': [
    { to: 'src_endpoint.ip', as: address, note: 'an address' },
    { to: 'unmapped.actor.ip', as: (ip) => given(noAddress(ip) ?? ''), note: 'anything else' },
  ],
  'actor.user_agent': [{ to: 'http_request.user_agent' }],
  action: [{ to: 'metadata.event_code' }, inClass(['api_activity'], { to: 'api.operation' })],
  'resource.type': [
    inClass(['api_activity'], { to: 'resources[].type' }),
    inClass(['entity_management'], { to: 'entity.type', as: (type) => ownOf(ENTITY_TYPES, type)?.[1] ?? type }),
    inClass(['entity_management'], {
      to: 'entity.type_id',
      as: (type) => ownOf(ENTITY_TYPES, type)?.[0] ?? OTHER,
      note: 'user 2, group 3, organization 4, policy 5, else 99',
    }),
    inClass(['account_change'], { to: 'user.type', as: (type) => ownOf(USER_TYPES, type)?.[1] ?? type }),
    inClass(['account_change'], { to: 'user.type_id', as: (type) => ownOf(USER_TYPES, type)?.[0] ?? OTHER }),
    inClass(['authentication'], { to: 'unmapped.resource.type' }),
  ],
  'resource.id': [
    inClass(['api_activity'], { to: 'resources[].uid' }),
    inClass(['entity_management'], { to: 'entity.uid' }),
    inClass(['account_change'], { to: 'user.uid' }),
    inClass(['authentication'], {
      to: 'user.uid',
      as: (id, { resource }) => (resource.type === 'user' ? id : undefined),
      note: 'where the resource is a user',
    }),
    inClass(['authentication'], { to: 'unmapped.resource.id' }),
  ],
  'resource.name': [
    inClass(['api_activity'], { to: 'resources[].name' }),
    inClass(['entity_management'], { to: 'entity.name' }),
    inClass(['account_change'], { to: 'user.name' }),
    inClass(['authentication'], { to: 'unmapped.resource.name' }),
  ],
  result: [
    { to: 'status_code' },
    { to: 'status_id', as: (result) => (isGood(result as Result) ? 1 : 2), note: '1 or 2' },
    { to: 'status', as: (result) => (isGood(result as Result) ? 'Success' : 'Failure') },
  ],
  details: [{ to: 'unmapped.details' }],
  'decision.allow': [
    { to: 'action', as: (allow) => (allow ? 'Allowed' : 'Denied'), note: 'profile security_control' },
    { to: 'action_id', as: (allow) => (allow ? 1 : 2), note: 'profile security_control' },
    { to: 'authorizations[].decision', as: (allow) => (allow ? 'allowed' : 'denied'), note: 'profile security_control' },
  ],
  'decision.reasons': [{ to: 'status_detail', as: reasonText, note: '`code: message; …`' }, { to: 'unmapped.decision.reasons' }],
  'decision.advice': [{ to: 'unmapped.decision.advice' }],
  'decision.policy': [{ to: 'authorizations[].policy.uid', note: 'profile security_control' }],
  'decision.duration_us': [{ to: 'unmapped.decision.duration_us' }],
  'decision.question': [{ to: 'unmapped.decision.question' }],
  'decision.facts': [{ to: 'unmapped.decision.facts' }],
  caused_by: [{ to: 'metadata.correlation_uid' }],
  'request.id': [{ to: 'http_request.uid' }, inClass(['api_activity'], { to: 'api.request.uid' })],
  'request.method': [
    { to: 'http_request.http_method', as: (method) => (METHODS.has(method as string) ? method : undefined), note: 'one of HTTP' },
    { to: 'unmapped.request.method', as: (method) => (METHODS.has(method as string) ? undefined : given(method)), note: 'anything else' },
  ],
  'request.path': [{ to: 'http_request.url.path' }],
  'request.status': [{ to: 'http_response.code' }],
  'request.duration_ms': [{ to: 'duration', as: (ms) => Math.round(ms as number), note: 'whole milliseconds' }, { to: 'unmapped.request.duration_ms' }],
  region: [{ to: 'cloud.region' }],
  source: [{ to: 'metadata.log_provider' }, inClass(['authentication'], { to: 'service.name' })],
  log: [{ to: 'metadata.log_name' }],
  seq: [{ to: 'metadata.sequence' }],
};

const mappingFor = (name: OcsfClass): Mapping =>
  Object.fromEntries(FIELD_NAMES.map((field) => [field, MAPPING[field].filter(({ classes }) => classes?.includes(name) ?? true)])) as unknown as Mapping;

const FILL = Object.fromEntries((Object.keys(CLASSES) as OcsfClass[]).map((name) => [name, newFiller(mappingFor(name))])) as {
  readonly [name in OcsfClass]: ReturnType<typeof newFiller>;
};

const base = (event: Event, { class: name, activity }: Classified): JsonObject => {
  const { uid, caption, category } = CLASSES[name];
  const [severity_id, severity] = SEVERITIES[event.result];
  return {
    category_uid: category,
    category_name: CATEGORIES[category],
    class_uid: uid,
    class_name: caption,
    activity_id: activity.id,
    activity_name: activity.name,
    type_uid: uid * 100 + activity.id,
    type_name: `${caption}: ${activity.id === OTHER ? 'Other' : activity.name}`,
    severity_id,
    severity,
    message: summary(event),
    metadata: {
      version: OCSF_VERSION,
      product: { name: PRODUCT.name, vendor_name: PRODUCT.vendor, version: PRODUCT.version() },
      profiles: event.decision ? ['cloud', 'security_control'] : ['cloud'],
    },
    cloud: { provider: 'Unknown' },
    // API Activity must say where the call came from; where no address is known, that is the writer of the event.
    ...(name === 'api_activity' && address(event.actor.ip ?? '') === undefined && { src_endpoint: { svc_name: event.source } }),
  };
};

/** OCSF: Authentication, Account Change, Entity Management or API Activity, with the profiles cloud and, for decisions, security_control. */
export const ocsf: EventFormat = {
  title: 'OCSF',
  version: OCSF_VERSION,
  contentType: 'application/x-ndjson',
  isJson: true,
  line: ({ event }) => {
    const classified = classify(event);
    return JSON.stringify(FILL[classified.class](event, base(event, classified)));
  },
  mapping: MAPPING,
  beside: [
    {
      key: 'class_uid, class_name, category_uid, category_name',
      value: Object.values(CLASSES)
        .map(({ uid, caption }) => `${uid} ${caption}`)
        .join(', '),
    },
    { key: 'activity_id, activity_name, type_uid, type_name', value: "from the action's last words; 99 with the word itself where OCSF has none" },
    {
      key: 'severity_id, severity',
      value: Object.entries(SEVERITIES)
        .map(([result, [id, caption]]) => `${result} ${id} ${caption}`)
        .join(', '),
    },
    { key: 'message', value: 'one line for people' },
    { key: 'metadata.version', value: OCSF_VERSION },
    { key: 'metadata.product', value: 'this product and its version' },
    { key: 'metadata.profiles', value: '`cloud`; with a decision `security_control` too' },
    { key: 'cloud.provider', value: '`Unknown`: the record does not say' },
    { key: 'src_endpoint.svc_name', value: 'class 6003: the source, where no address is known' },
  ],
};
