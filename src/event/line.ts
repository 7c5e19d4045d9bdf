import type { Event, EventDraft, JsonObject, Position } from './event.js';
import { newSalt } from './id.js';

const NO_DETAILS: JsonObject = {};

/** The event that a draft becomes at its place in a log. Field order is fixed: it is the order of the bytes kept. */
export const place = (draft: EventDraft, position: Position, recorded: string): Event => ({
  id: draft.id,
  timestamp: draft.timestamp,
  recorded,
  account: draft.account,
  kind: draft.kind,
  actor: draft.actor,
  action: draft.action,
  resource: draft.resource,
  result: draft.result,
  details: draft.details ?? NO_DETAILS,
  ...(draft.decision && { decision: draft.decision }),
  ...(draft.caused_by !== undefined && { caused_by: draft.caused_by }),
  ...(draft.request && { request: draft.request }),
  ...(draft.region !== undefined && { region: draft.region }),
  source: draft.source,
  log: position.log,
  seq: position.seq,
  salts: [newSalt(), newSalt()],
});

/** The event's one JSON line, without the newline: made once, kept for ever. */
export const toLine = (event: Event): string => JSON.stringify(event);

/** Reads a line that {@link toLine} made. Throws a SyntaxError on anything that isn't JSON. */
export const fromLine = (line: string): Event => JSON.parse(line) as Event;

/** What may be shown of an event: everything but its salts. */
export const shown = (event: Event): Omit<Event, 'salts'> => {
  const { salts: _salts, ...rest } = event;
  return rest;
};
