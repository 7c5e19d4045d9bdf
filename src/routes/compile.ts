import { segmentsOf } from './pattern.js';
import type { WrittenRoute } from './schema.js';
import type { Pick, Route, Template } from './types.js';

/** A route ready for use, or what is wrong with it, each by its word. */
export type Compiled = { readonly ok: true; readonly route: Route } | { readonly ok: false; readonly faults: readonly string[] };

const PICK = /^(params|query|header|body|response)\.(.+)$/;
const SINGLE = new Set(['params', 'query', 'header']);

type Place = { readonly word: string; readonly params: ReadonlySet<string>; readonly faults: string[]; readonly isAnswer: boolean };

/** A pick as it is written; what it can't read is a fault. */
const pickOf = (text: string, { word, params, faults, isAnswer }: Place): Pick => {
  const found = PICK.exec(text);
  const [from, rest] = [(found?.[1] ?? 'body') as Pick['from'], found?.[2] ?? text];
  if (!found) faults.push(`${word}: "${text}" is no value; write params.NAME, query.NAME, header.NAME, body.NAME or response.NAME`);
  else if (from === 'params' && !params.has(rest))
    faults.push(`${word}: the path has no {${rest}}${params.size > 0 ? `; it has ${[...params].map((name) => `{${name}}`).join(', ')}` : ''}`);
  else if (from === 'response' && !isAnswer)
    faults.push(`${word}: "${text}" is not known yet when the question is asked; only entity and name can read the response`);
  if (SINGLE.has(from)) return { from, path: [from === 'header' ? rest.toLowerCase() : rest] };
  const path = rest.split('.');
  if (path.some((name) => name === '')) faults.push(`${word}: "${text}" has an empty name between its dots`);
  return { from, path };
};

/** Text with `{picks}` in it. A bare pick (`response.id`) stands for itself in braces. */
const templateOf = (text: string, place: Place): Template => {
  if (PICK.test(text) && !text.includes('{')) return [pickOf(text, place)];
  const pieces = text.split(/(\{[^{}]*\})/).filter((piece) => piece !== '');
  return pieces.map((piece) => {
    if (/^\{[^{}]*\}$/.test(piece)) return pickOf(piece.slice(1, -1), place);
    if (/[{}]/.test(piece)) place.faults.push(`${place.word}: "${text}" has a brace without its other half`);
    return piece;
  });
};

const togetherFaults = (written: WrittenRoute): readonly string[] => {
  const isPublic = written.public === true;
  return [
    ...(isPublic && (written.action ?? written.resource ?? written.each)
      ? ['public: a public route asks no question, so it has no action, resource or each']
      : []),
    ...(!isPublic && !written.action ? ['action: missing; say which action this route is, or public: true'] : []),
    ...(!isPublic && !written.resource ? ['resource: missing; say which type and id the action is on (id "*" where there is none yet)'] : []),
    ...(written.entity?.each !== undefined && !written.entity.each.startsWith('response.')
      ? [`entity.each: "${written.entity.each}" is not in the answer; write response.NAME`]
      : []),
    ...(written.login && !isPublic ? ['login: a login route is public: who logs in is nobody yet'] : []),
    ...(written.record === false && [written.method].flat().some((method) => !['GET', 'OPTIONS'].includes(method))
      ? ['record: only reads can go unrecorded']
      : []),
  ];
};

/** Makes a route of what is written. */
export const compileRoute = (written: WrittenRoute): Compiled => {
  const segments = segmentsOf(written.path);
  if (typeof segments === 'string') return { ok: false, faults: [`path: ${segments}`] };
  const params = new Set(segments.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name])));
  const faults: string[] = [...togetherFaults(written)];
  const at = (word: string, isAnswer = false): Place => ({ word, params, faults, isAnswer });
  const picksOf = (word: string, picks: { readonly [name: string]: string } = {}, isAnswer = false) =>
    Object.fromEntries(Object.entries(picks).map(([name, text]) => [name, pickOf(text, at(`${word}.${name}`, isAnswer))]));
  const declared = [written.method].flat();
  const methods = declared.includes('GET') ? [...new Set([...declared, 'HEAD'])] : declared;
  const { entity } = written;
  const route: Route = {
    name: `${declared.join('|')} ${written.path}`,
    methods,
    path: written.path,
    segments,
    ...(written.action !== undefined && { action: templateOf(written.action, at('action')) }),
    ...(written.resource && { resource: { type: written.resource.type, id: templateOf(written.resource.id, at('resource.id')) } }),
    ...(written.account !== undefined && { account: templateOf(written.account, at('account')) }),
    properties: picksOf('properties', written.properties),
    context: picksOf('context', written.context),
    ...(written.each !== undefined && { each: pickOf(written.each, at('each')) }),
    isPublic: written.public === true,
    isRecorded: written.record !== false,
    ...(written.login && { login: { subject: pickOf(written.login.subject, at('login.subject')) } }),
    ...(entity && {
      entity: {
        on: entity.on,
        type: entity.type,
        ...(entity.each !== undefined && { each: pickOf(entity.each, at('entity.each', true)) }),
        id: templateOf(entity.id, at('entity.id', true)),
        ...(entity.account !== undefined && { account: templateOf(entity.account, at('entity.account', true)) }),
        properties: picksOf('entity.properties', entity.properties, true),
      },
    }),
    ...(written.name !== undefined && { resourceName: pickOf(written.name, at('name', true)) }),
  };
  return faults.length > 0 ? { ok: false, faults } : { ok: true, route };
};
