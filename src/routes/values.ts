import type { Json } from '../event/index.js';
import { isObject } from '../event/index.js';
import type { Pick, RouteMatch, RouteRequest, Template } from './types.js';

/** What a pick is read out of. */
export type Sources = { readonly match: RouteMatch; readonly request: RouteRequest; readonly response?: Json };

const within = (value: Json | undefined, path: readonly string[]): Json | undefined => {
  let found: Json | undefined = value;
  for (const name of path) {
    if (Array.isArray(found)) found = /^\d{1,6}$/.test(name) ? found[Number(name)] : undefined;
    else found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
    if (found === undefined) return undefined;
  }
  return found;
};

/** The names that a Connection field has, in small letters (RFC 9110, section 7.6.1). */
export const connectionOptions = (connection: string | undefined): readonly string[] =>
  connection === undefined ? [] : connection.split(',').map((name) => name.trim().toLowerCase());

const headerOf = ({ headers }: RouteRequest, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
};

/** The value that a pick points to; undefined where there is none. JSON types are kept; params, query and headers are text. */
export const valueAt = (pick: Pick, { match, request, response }: Sources): Json | undefined => {
  switch (pick.from) {
    case 'params':
      return match.params[pick.path[0] as string];
    case 'query':
      return match.query.get(pick.path[0] as string) ?? undefined;
    case 'header':
      return headerOf(request, pick.path[0] as string);
    case 'body':
      return within(request.body, pick.path);
    case 'response':
      return within(response, pick.path);
  }
};

const textOf = (value: Json | undefined): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};

/** A template filled in; `missing` names the pick that has no text. */
export const filled = (template: Template, sources: Sources): { readonly text: string } | { readonly missing: Pick } => {
  let text = '';
  for (const piece of template) {
    const value = typeof piece === 'string' ? piece : textOf(valueAt(piece, sources));
    if (value === undefined) return { missing: piece as Pick };
    text += value;
  }
  return { text };
};

/** How a pick is written. */
export const sayPick = ({ from, path }: Pick): string => [from, ...path].join('.');
