import type { Event, EventDraft, JsonObject, Position } from './event.js';
import { newSalt } from './id.js';

const NO_DETAILS: JsonObject = {};

/** The event that a draft becomes at its place in a log. Field order is fixed: it is the order of the bytes kept. */
export const place = (draft: EventDraft, position: Position, recorded: string): Event => {
  const event: { -readonly [field in keyof Event]: Event[field] } = {
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
  } as Event;
  // Assigned one by one, not spread: this runs for every decision.
  if (draft.decision) event.decision = draft.decision;
  if (draft.caused_by !== undefined) event.caused_by = draft.caused_by;
  if (draft.request) event.request = draft.request;
  if (draft.region !== undefined) event.region = draft.region;
  event.source = draft.source;
  event.log = position.log;
  event.seq = position.seq;
  event.salts = [newSalt(), newSalt()];
  return event;
};

const LONE_SURROGATE = /\p{Surrogate}/gu;
const wellFormed = (_: string, value: unknown): unknown => (typeof value === 'string' ? value.replaceAll(LONE_SURROGATE, '\ufffd') : value);

/**
 * The event's one JSON line, without the newline: made once, kept for ever. Half of a surrogate pair, as where a text was
 * cut, becomes U+FFFD: no store takes a line with one, and the record would be missing.
 */
export const toLine = (event: Event): string => {
  const line = JSON.stringify(event);
  // JSON.stringify writes halves as escapes, and nothing else that begins so but a backslash of the text itself.
  return line.includes('\\ud') ? JSON.stringify(event, wellFormed) : line;
};

/** Reads a line that {@link toLine} made. Throws a SyntaxError on anything that isn't JSON. */
export const fromLine = (line: string): Event => JSON.parse(line) as Event;

/** What may be shown of an event: everything but its salts. */
export const shown = (event: Event): Omit<Event, 'salts'> => {
  const { salts: _salts, ...rest } = event;
  return rest;
};
