import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { isObject, type Json, newAjv } from '../event/index.js';
import { faultsOf } from './faults.js';
import { routeWords, tableSchema, type WrittenRoute } from './schema.js';
import { tableOf } from './table.js';
import { RoutesError, type RouteTable } from './types.js';

/** Every mistake at once, and with the schema's own words, so that the nearest of them can be named. */
const thorough = () => newAjv({ allErrors: true, verbose: true });

const checkTable = thorough().compile<{ readonly routes: readonly WrittenRoute[] }>({ ...tableSchema });

/** Reads a route table as YAML (JSON is YAML, too). Throws {@link RoutesError} with the place of every mistake. */
export const loadRoutes = (text: string, source: string): RouteTable => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken) throw new RoutesError(`The route table ${source} can't be read as YAML: ${broken.message.split('\n')[0]}.`);
  const table: unknown = document.toJS({ maxAliasCount: 100 });
  const lineOf = (index: number): string => {
    const node = document.getIn(['routes', index], true) as { readonly range?: readonly [number, number, number] } | undefined;
    return node?.range ? `line ${lines.linePos(node.range[0]).line}` : `route ${index + 1}`;
  };
  if (!checkTable(table)) {
    const placeOf = (pointer: string) => {
      const [, index, rest = ''] = /^\/routes\/(\d+)(.*)$/.exec(pointer) ?? [];
      return index === undefined ? { place: 'the table', rest: pointer } : { place: lineOf(Number(index)), rest };
    };
    throw new RoutesError(`The route table ${source} is not usable:\n${faultsOf(checkTable.errors ?? [], placeOf).join('\n')}`);
  }
  return tableOf(table.routes, source, lineOf);
};

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'options'] as const;
const PREFIX = 'x-verdict-';

const wordsOf = (operation: { readonly [name: string]: Json }): { readonly [word: string]: Json } =>
  Object.fromEntries(Object.entries(operation).flatMap(([name, value]) => (name.startsWith(PREFIX) ? [[name.slice(PREFIX.length), value]] : [])));

const checkWords = thorough().compile({ type: 'object', additionalProperties: false, properties: routeWords });

/**
 * Reads a route table from an OpenAPI 3 document: each operation says what a route of the table says, behind `x-verdict-`
 * (`x-verdict-action`, `x-verdict-resource`, …). An operation without a word of these is not in the table, so it is denied.
 */
export const routesFromOpenApi = (document: Json, source: string): RouteTable => {
  const paths = isObject(document) ? document['paths'] : undefined;
  if (!isObject(paths)) throw new RoutesError(`${source} is no OpenAPI document: it has no paths.`);
  const faults: string[] = [];
  const places: string[] = [];
  const routes: WrittenRoute[] = [];
  for (const [path, item] of Object.entries(paths))
    for (const method of METHODS) {
      const operation = isObject(item) ? item[method] : undefined;
      const words = isObject(operation) ? wordsOf(operation) : {};
      if (Object.keys(words).length === 0) continue;
      const place = `paths["${path}"].${method}`;
      if (!checkWords(words)) faults.push(...faultsOf(checkWords.errors ?? [], (rest) => ({ place, rest })));
      places.push(place);
      routes.push({ ...(words as Omit<WrittenRoute, 'method' | 'path'>), method: method.toUpperCase(), path });
    }
  if (faults.length > 0) throw new RoutesError(`The routes in ${source} are not usable:\n${faults.join('\n')}`);
  if (routes.length === 0) throw new RoutesError(`${source} has no operation with x-verdict-action, so every request would be denied.`);
  return tableOf(routes, source, (index) => places[index] as string);
};

/** Reads the file that `routes.file` names: a route table, or an OpenAPI document. Throws {@link RoutesError}. */
export const readRoutes = (path: string): RouteTable => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new RoutesError(`The route table ${path} (routes.file) can't be read: ${(error as Error).message}.`);
  }
  const document = parseDocument(text);
  return document.errors.length === 0 && document.has('openapi') ? routesFromOpenApi(document.toJS() as Json, path) : loadRoutes(text, path);
};
