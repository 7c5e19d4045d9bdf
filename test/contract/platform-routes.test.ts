import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type RouteTable, readRoutes } from '../../src/routes/index.js';
import { PLATFORM_ROUTES } from '../peers/platform.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CATALOGUE = parse(readFileSync(resolve(ROOT, 'policies/platform/catalogue/data.yaml'), 'utf8')) as {
  readonly actions: Readonly<Record<string, unknown>>;
};

type Served = { readonly method: string; readonly path: string };

describe("The example platform's route table", () => {
  let table: RouteTable;
  let served: readonly Served[];

  beforeAll(async () => {
    table = readRoutes(PLATFORM_ROUTES);
    // Plain JavaScript, with its types in comments: its place is computed so that no declaration is looked for.
    const at = (file: string): string => resolve(ROOT, 'examples/platform', file);
    const { createApp } = (await import(at('app.mjs'))) as { readonly createApp: (parts: object) => { readonly routes: readonly Served[] } };
    const { openState } = (await import(at('state.mjs'))) as { readonly openState: (file: undefined) => object };
    served = createApp({ state: openState(undefined), libvirt: {} }).routes;
  });

  /** A request to a route of the app. */
  const target = (path: string): string => path.replaceAll(/:\w+/g, 'some-id');

  it('has every route that the platform serves, but for its set-up', () => {
    const missing = served.filter(({ method, path }) => table.match(method, target(path)).kind !== 'route');
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /setup']);
  });

  it('has no route that the platform does not serve', () => {
    const known = new Set(served.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, '{}')}`));
    const rows = table.routes.flatMap((route) =>
      route.methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${route.path.replaceAll(/\{\w+\}/g, '{}')}`),
    );
    expect(rows.filter((row) => !known.has(row))).toEqual([]);
  });

  it("names the shipped catalogue's actions", () => {
    const texts = table.routes.flatMap(({ action }) => {
      if (!action) return [];
      // The action of an instance stands in the body: these are what the platform knows.
      const verbs = action.every((piece) => typeof piece === 'string') ? [''] : ['start', 'stop', 'reboot'];
      return verbs.map((verb) => action.map((piece) => (typeof piece === 'string' ? piece : verb)).join(''));
    });
    expect(texts.filter((action) => !Object.hasOwn(CATALOGUE.actions, action))).toEqual([]);
    expect(texts).toContain('instance.reboot');
  });

  it('tells the policy everything that a guardrail looks at', () => {
    const propertiesOf = (method: string, path: string) => {
      const matched = table.match(method, path);
      return matched.kind === 'route' ? Object.keys(matched.route.properties) : [];
    };
    expect(propertiesOf('POST', '/v1/ssh-keys')).toContain('public_key');
    expect(propertiesOf('POST', '/v1/instances')).toEqual(expect.arrayContaining(['region', 'user_data']));
    expect(propertiesOf('POST', '/v1/firewalls/fw-1/rules')).toEqual(expect.arrayContaining(['direction', 'protocol', 'port_range', 'source', 'action']));
  });
});
