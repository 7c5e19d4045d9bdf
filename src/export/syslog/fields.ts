import type { Event } from '../../event/index.js';

/** One parameter of the structured data. */
export type Field = {
  /** At most 32 characters (RFC 5424, section 6.3.3), in lower case and without dots: receivers fold case and split at dots. */
  readonly name: string;
  /** Which part of the event it is, for people. */
  readonly of: string;
  /** Undefined or empty: the parameter is left out. */
  readonly value: (event: Event) => string | number | undefined;
};

/** The parameters that every message has, in their order: they name the event, whatever becomes of the rest. */
const CORE: readonly Field[] = [
  { name: 'id', of: '`id`', value: (event) => event.id },
  { name: 'log', of: '`log`: who wrote it', value: (event) => event.log },
  { name: 'seq', of: '`seq`: its place in that log', value: (event) => event.seq },
];

/** All parameters, in their order. Those of the front have room before those behind them. */
export const FIELDS: readonly Field[] = [
  ...CORE,
  { name: 'account', of: '`account`', value: (event) => event.account },
  { name: 'kind', of: '`kind`', value: (event) => event.kind },
  { name: 'action', of: '`action`, whole: MSGID has 32 characters of it', value: (event) => event.action },
  { name: 'result', of: '`result`', value: (event) => event.result },
  { name: 'source', of: '`source`', value: (event) => event.source },
  { name: 'recorded', of: '`recorded`', value: (event) => event.recorded },
  { name: 'actor_type', of: '`actor.type`', value: (event) => event.actor.type },
  { name: 'actor_id', of: '`actor.id`', value: (event) => event.actor.id },
  { name: 'actor_email', of: '`actor.email`', value: (event) => event.actor.email },
  { name: 'actor_ip', of: '`actor.ip`', value: (event) => event.actor.ip },
  { name: 'resource_type', of: '`resource.type`', value: (event) => event.resource.type },
  { name: 'resource_id', of: '`resource.id`', value: (event) => event.resource.id },
  { name: 'resource_name', of: '`resource.name`', value: (event) => event.resource.name },
  { name: 'reasons', of: 'the codes in `decision.reasons`, with commas', value: (event) => event.decision?.reasons.map(({ code }) => code).join(',') },
  { name: 'policy', of: '`decision.policy`', value: (event) => event.decision?.policy },
  { name: 'caused_by', of: '`caused_by`', value: (event) => event.caused_by },
  { name: 'request_id', of: '`request.id`', value: (event) => event.request?.id },
  { name: 'region', of: '`region`', value: (event) => event.region },
];

export const CORE_FIELDS: ReadonlySet<string> = new Set(CORE.map(({ name }) => name));
