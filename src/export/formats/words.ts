import { isIP } from 'node:net';
import type { Event, Json, Reason, Result } from '../../event/index.js';

/** What an action does, by the last word of its name. */
export type Deed = 'create' | 'read' | 'update' | 'delete' | 'other';

const DEEDS: { readonly [deed in Exclude<Deed, 'other'>]: readonly string[] } = {
  create: ['create', 'add', 'insert', 'register', 'provision', 'launch', 'issue', 'invite', 'import', 'upload'],
  read: ['read', 'get', 'list', 'view', 'show', 'describe', 'search', 'query', 'export', 'download', 'review'],
  update: ['update', 'modify', 'write', 'set', 'change', 'edit', 'patch', 'put', 'replace', 'rename', 'resize', 'rotate'],
  delete: ['delete', 'remove', 'destroy', 'terminate', 'purge', 'erase'],
};
const DEED_OF: ReadonlyMap<string, Deed> = new Map(Object.entries(DEEDS).flatMap(([deed, words]) => words.map((word) => [word, deed as Deed])));

/** `instance.create` → `create`; lower case. */
export const lastWord = (action: string): string =>
  action.slice(Math.max(action.lastIndexOf('.'), action.lastIndexOf(':'), action.lastIndexOf('/')) + 1).toLowerCase();

export const deedOf = (action: string): Deed => DEED_OF.get(lastWord(action)) ?? 'other';

/** Severities of 0 to 10, as CEF and LEEF have them. */
export const SEVERITY: { readonly [result in Result]: number } = { allowed: 1, success: 1, denied: 4, failure: 4, error: 6 };

export const isGood = (result: Result): boolean => result === 'allowed' || result === 'success';

/** One line for people. */
export const summary = ({ actor, action, resource, result }: Event): string =>
  `${actor.type} ${actor.id}: ${action} on ${resource.type} ${resource.id}: ${result}`;

/** The reasons of a decision in one text: `code: message; …`. */
export const reasonText = (reasons: Json): string =>
  (reasons as readonly Reason[]).map(({ code, message }) => (message ? `${code}: ${message}` : code)).join('; ');

/** Milliseconds since 1970. */
export const millis = (timestamp: Json): number => Date.parse(timestamp as string);

/** An address as programs read it; a zone or anything else is none. */
export const address = (text: Json): string | undefined => (isIP(text as string) !== 0 && !(text as string).includes('%') ? (text as string) : undefined);

/** Where a text that is no address goes. */
export const noAddress = (text: Json): Json | undefined => (address(text) === undefined ? text : undefined);

export const asJson = (value: Json): string => JSON.stringify(value);

/** UTF-16 that can be encoded: half a pair becomes U+FFFD. */
export const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8');
