import { json, type Route, route } from './contract.js';
import type { ApiConfig } from './deps.js';

/** Where each of AuthZEN's interfaces is, by the name that its metadata has for it (AuthZEN 1.0, section 9.1.1). */
const ENDPOINTS = {
  access_evaluation_endpoint: '/access/v1/evaluation',
  access_evaluations_endpoint: '/access/v1/evaluations',
  search_subject_endpoint: '/access/v1/search/subject',
  search_resource_endpoint: '/access/v1/search/resource',
  search_action_endpoint: '/access/v1/search/action',
} as const;

const WELL_KNOWN = '/.well-known/authzen-configuration';

const url = { type: 'string', format: 'uri' } as const;

const metadata = {
  type: 'object',
  required: ['policy_decision_point', ...Object.keys(ENDPOINTS)],
  additionalProperties: false,
  properties: { policy_decision_point: url, ...Object.fromEntries(Object.keys(ENDPOINTS).map((name) => [name, url])) },
} as const;

/** What the address in `http.public_url` rests on never changes while a node runs; one that is read from a request is that client's alone. */
const CACHED = { 'cache-control': 'public, max-age=3600' } as const;

/**
 * The paths of the metadata: the well-known one; and where `http.public_url` has a path, the one that a client makes of it
 * by putting the well-known path between host and path (AuthZEN 1.0, section 9.2).
 */
const pathsOf = (publicUrl: string): readonly string[] => {
  if (!URL.canParse(publicUrl)) return [WELL_KNOWN];
  const path = new URL(publicUrl).pathname.replace(/\/+$/, '');
  return /^(\/[A-Za-z0-9._~-]+)+$/.test(path) ? [WELL_KNOWN, `${WELL_KNOWN}${path}`] : [WELL_KNOWN];
};

/** AuthZEN's metadata, to anybody. It names no capabilities: none that a decision point could have is registered. */
export const discoveryRoutes = ({ publicUrl }: ApiConfig): readonly Route[] =>
  pathsOf(publicUrl).map((path, index) =>
    route(
      {
        method: 'GET',
        path,
        operation: index === 0 ? 'discover' : 'discoverByPath',
        tag: 'decide',
        summary: "AuthZEN's metadata (AuthZEN 1.0, section 9).",
        permission: 'anonymous',
        answers: { 200: { description: 'Where decisions are had.', content: { 'application/json': metadata } } },
      },
      (ask) => {
        const base = (publicUrl || ask.origin).replace(/\/+$/, '');
        const endpoints = Object.fromEntries(Object.entries(ENDPOINTS).map(([name, at]) => [name, `${base}${at}`]));
        return json({ policy_decision_point: base, ...endpoints }, publicUrl === '' ? undefined : CACHED);
      },
    ),
  );
