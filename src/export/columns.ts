import type { Event, Json } from '../event/index.js';

/** What stands in one place of a table: JSON that fits no column of its own stands as text. */
export type Cell = Json | undefined;

/** What a column holds, for forms that have types. */
export type CellType = 'text' | 'time' | 'integer' | 'number' | 'boolean' | 'json';

/** One column of an event as a row. */
export type Column = { readonly name: string; readonly type: CellType; readonly cell: (event: Event) => Cell };

const column = (name: string, type: CellType, cell: Column['cell']): Column => ({ name, type, cell });

/** An event as a row, in the order of its fields. Fixed: what is added comes at the end. */
export const COLUMNS: readonly Column[] = [
  column('id', 'text', (event) => event.id),
  column('timestamp', 'time', (event) => event.timestamp),
  column('recorded', 'time', (event) => event.recorded),
  column('account', 'text', (event) => event.account),
  column('kind', 'text', (event) => event.kind),
  column('actor_type', 'text', (event) => event.actor.type),
  column('actor_id', 'text', (event) => event.actor.id),
  column('actor_email', 'text', (event) => event.actor.email),
  column('actor_ip', 'text', (event) => event.actor.ip),
  column('actor_user_agent', 'text', (event) => event.actor.user_agent),
  column('action', 'text', (event) => event.action),
  column('resource_type', 'text', (event) => event.resource.type),
  column('resource_id', 'text', (event) => event.resource.id),
  column('resource_name', 'text', (event) => event.resource.name),
  column('result', 'text', (event) => event.result),
  column('details', 'json', (event) => event.details),
  column('decision_allow', 'boolean', (event) => event.decision?.allow),
  column('decision_reasons', 'json', (event) => event.decision?.reasons),
  column('decision_advice', 'json', (event) => event.decision?.advice),
  column('decision_policy', 'text', (event) => event.decision?.policy),
  column('decision_duration_us', 'number', (event) => event.decision?.duration_us),
  column('decision_question', 'json', (event) => event.decision?.question),
  column('decision_facts', 'json', (event) => event.decision?.facts),
  column('caused_by', 'text', (event) => event.caused_by),
  column('request_id', 'text', (event) => event.request?.id),
  column('request_method', 'text', (event) => event.request?.method),
  column('request_path', 'text', (event) => event.request?.path),
  column('request_status', 'integer', (event) => event.request?.status),
  column('request_duration_ms', 'number', (event) => event.request?.duration_ms),
  column('region', 'text', (event) => event.region),
  column('source', 'text', (event) => event.source),
  column('log', 'text', (event) => event.log),
  column('seq', 'integer', (event) => event.seq),
];
