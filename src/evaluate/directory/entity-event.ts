import { type EventDraft, type JsonObject, SYSTEM_ACCOUNT, withoutSecrets } from '../../event/index.js';
import type { Entity, EntityChange, EntityOutcome } from './types.js';

/** What the writer of a change says about itself; the rest of the event follows from the change. */
export type EntityDraft = Pick<EventDraft, 'timestamp' | 'actor' | 'source'> & Partial<Pick<EventDraft, 'caused_by' | 'request' | 'region' | 'details'>>;

/** The state of one of Verdict's own entities (`verdict.…`) without its secrets, as its event may carry it. */
export type Redact = (entity: Entity) => JsonObject;

/** A change that was made: what its event tells of. */
export type Made = EntityOutcome & { readonly outcome: 'applied' | 'deleted' };

/** Types that describe people: what is said of them can be erased. */
const PERSONAL = new Set(['user', 'membership']);

const isReserved = (type: string): boolean => type.startsWith('verdict.');

/** The event's id follows from the change's: however often it is recorded, it is the same event. */
export const eventIdOf = (change: string): string => `evt-${change}`;

const nameOf = ({ type, properties }: Entity): string | undefined => {
  const name = properties['name'];
  return typeof name === 'string' && !PERSONAL.has(type) && !isReserved(type) ? name.slice(0, 256) : undefined;
};

/** The new state, where each kind of entity may show it; a deletion leaves none. */
const stateOf = (made: Made, redact: Redact | undefined): JsonObject => {
  const { entity, outcome } = made;
  if (outcome === 'deleted') return {};
  if (isReserved(entity.type)) return redact ? { properties: redact(entity) } : {};
  const properties = withoutSecrets(entity.properties);
  return PERSONAL.has(entity.type) ? { personal: { properties } } : { properties };
};

/** The event of a change before it is known what becomes of it: what is kept with the intent. */
export const intendedEvent = (change: EntityChange, draft: EntityDraft): EventDraft => ({
  id: eventIdOf(change.change),
  timestamp: draft.timestamp,
  account: (change.op === 'put' ? change.account : undefined) ?? SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: draft.actor,
  action: change.op === 'delete' ? 'entity.delete' : 'entity.update',
  resource: { type: change.type, id: change.id },
  result: 'success',
  details: { ...draft.details, change: change.change },
  ...(draft.caused_by !== undefined && { caused_by: draft.caused_by }),
  ...(draft.request && { request: draft.request }),
  ...(draft.region !== undefined && { region: draft.region }),
  source: draft.source,
});

/**
 * The event of a change that was made. It carries the version and the whole new state, so that each version that a
 * decision rested on can be found again: under `details.personal` for people, so that it can be erased; for Verdict's
 * own entities only what `redact` leaves, and nothing without it.
 */
export const madeEvent = (intended: EventDraft, made: Made, redact?: Redact): EventDraft => {
  const { entity } = made;
  const name = nameOf(entity);
  return {
    ...intended,
    account: entity.account ?? SYSTEM_ACCOUNT,
    action: made.outcome === 'deleted' ? 'entity.delete' : made.created ? 'entity.create' : 'entity.update',
    resource: { type: entity.type, id: entity.id, ...(name && { name }) },
    details: { ...intended.details, version: entity.version, ...stateOf(made, redact) },
  };
};
