import type { Event, Json } from '../../event/index.js';

/** Every field of an event but its salts, by its path, in the order of the record. Each format says where each of them goes. */
const READERS = {
  id: (event) => event.id,
  timestamp: (event) => event.timestamp,
  recorded: (event) => event.recorded,
  account: (event) => event.account,
  kind: (event) => event.kind,
  'actor.type': (event) => event.actor.type,
  'actor.id': (event) => event.actor.id,
  'actor.email': (event) => event.actor.email,
  'actor.ip': (event) => event.actor.ip,
  'actor.user_agent': (event) => event.actor.user_agent,
  action: (event) => event.action,
  'resource.type': (event) => event.resource.type,
  'resource.id': (event) => event.resource.id,
  'resource.name': (event) => event.resource.name,
  result: (event) => event.result,
  details: (event) => event.details,
  'decision.allow': (event) => event.decision?.allow,
  'decision.reasons': (event) => event.decision?.reasons,
  'decision.advice': (event) => event.decision?.advice,
  'decision.policy': (event) => event.decision?.policy,
  'decision.duration_us': (event) => event.decision?.duration_us,
  'decision.question': (event) => event.decision?.question,
  'decision.facts': (event) => event.decision?.facts,
  caused_by: (event) => event.caused_by,
  'request.id': (event) => event.request?.id,
  'request.method': (event) => event.request?.method,
  'request.path': (event) => event.request?.path,
  'request.status': (event) => event.request?.status,
  'request.duration_ms': (event) => event.request?.duration_ms,
  region: (event) => event.region,
  source: (event) => event.source,
  log: (event) => event.log,
  seq: (event) => event.seq,
} as const satisfies { readonly [path: string]: (event: Event) => Json | undefined };

export type FieldName = keyof typeof READERS;

/** The names of the fields, in order. */
export const FIELD_NAMES = Object.keys(READERS) as readonly FieldName[];

/** What an event has in a field; undefined where it has none. */
export const readField = (event: Event, name: FieldName): Json | undefined => READERS[name](event);
