import { compileRoute } from './compile.js';
import { paramsOf, precedence, shapeOf } from './pattern.js';
import type { WrittenRoute } from './schema.js';
import { readTarget } from './target.js';
import { type Matched, type Pick, type Route, RoutesError, type RouteTable, type Template } from './types.js';

const inTemplate = (template: Template | undefined): readonly Pick[] => (template ?? []).filter((piece) => typeof piece !== 'string');

/** Everything that a route reads of the request. */
const picksOf = (route: Route): readonly Pick[] => [
  ...inTemplate(route.action),
  ...inTemplate(route.resource?.id),
  ...inTemplate(route.account),
  ...Object.values(route.properties),
  ...Object.values(route.context),
  ...(route.each ? [route.each] : []),
  ...(route.login ? [route.login.subject] : []),
  ...inTemplate(route.entity?.id),
  ...inTemplate(route.entity?.account),
  ...Object.values(route.entity?.properties ?? {}),
  ...(route.resourceName ? [route.resourceName] : []),
];

/** Routes that would match the same requests, whichever comes first. */
const clashes = (routes: readonly Route[]): readonly string[] => {
  const seen = new Map<string, Route>();
  return routes.flatMap((route) =>
    route.methods.flatMap((method) => {
      const key = `${method} ${shapeOf(route)}`;
      const other = seen.get(key);
      seen.set(key, route);
      return other ? [`${route.name} and ${other.name} match the same ${method} requests; keep one of them`] : [];
    }),
  );
};

/** Makes a table of routes as they are written; `placeOf` names each for people. Throws {@link RoutesError} with every mistake. */
export const tableOf = (written: readonly WrittenRoute[], source: string, placeOf: (index: number) => string): RouteTable => {
  const faults: string[] = [];
  const routes = written.flatMap((one, index) => {
    const compiled = compileRoute(one);
    if (compiled.ok) return [compiled.route];
    faults.push(...compiled.faults.map((fault) => `${placeOf(index)} (${[one.method].flat().join('|')} ${one.path}): ${fault}.`));
    return [];
  });
  faults.push(...clashes(routes).map((clash) => `${clash}.`));
  if (faults.length > 0) throw new RoutesError(`The route table ${source} is not usable:\n${faults.join('\n')}`);
  const byMethod = new Map<string, readonly Route[]>();
  for (const method of new Set(routes.flatMap((route) => route.methods)))
    byMethod.set(method, routes.filter((route) => route.methods.includes(method)).sort(precedence));
  const needing = new Set(routes.filter((route) => picksOf(route).some(({ from }) => from === 'body')));

  const match = (method: string, target: string): Matched => {
    const read = readTarget(target);
    if (!read.ok) return { kind: 'refused', code: read.code, message: read.message };
    for (const route of byMethod.get(method) ?? []) {
      const params = paramsOf(route.segments, read.segments);
      if (params) return { kind: 'route', route, params, path: read.path, query: read.query };
    }
    return { kind: 'none', method, path: read.path };
  };
  return { routes, match, needsBody: (route) => needing.has(route) };
};
