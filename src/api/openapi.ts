import type { Contract, ParameterSchema, Route, Schema } from './contract.js';
import { json, route } from './contract.js';
import type { ApiConfig } from './deps.js';
import { PROBLEM_TYPE, problemSchema } from './problem.js';

type Document = { readonly [key: string]: unknown };

/** Describes the API (OpenAPI 3.1.0) from the contracts that its routes check by. */
export const openApiOf = (config: ApiConfig, routes: readonly Pick<Route, 'contract'>[]): Document => {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { contract } of routes) paths[contract.path] = { ...paths[contract.path], [contract.method.toLowerCase()]: operationOf(contract) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Verdict',
      version: config.version,
      summary: 'Policy decision point and audit trail of a KVM cloud.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    ...(config.publicUrl && { servers: [{ url: config.publicUrl }] }),
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An API key of Verdict, or a JWT of a configured issuer.' } },
      responses: { Problem: { description: 'What went wrong (RFC 9457).', content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } } } },
    },
  };
};

const operationOf = (contract: Contract): object => ({
  operationId: contract.operation,
  tags: [contract.tag],
  summary: contract.summary,
  description: `${contract.description ?? ''}${contract.description ? ' ' : ''}${sayPermission(contract)}`,
  ...(contract.permission === 'anonymous' && { security: [] }),
  parameters: [...parametersOf(contract.params, 'path'), ...parametersOf(contract.query, 'query'), ...parametersOf(contract.headers, 'header'), REQUEST_ID],
  ...(contract.body && { requestBody: { required: !contract.body.optional, content: contentOf(contract.body.content) } }),
  responses: {
    ...Object.fromEntries(Object.entries(contract.answers).map(([status, answer]) => [status, responseOf(answer)])),
    default: { $ref: '#/components/responses/Problem' },
  },
});

const REQUEST_ID = {
  name: 'X-Request-ID',
  in: 'header',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._~:/+=@-]{1,128}$' },
  description: 'Echoed, logged and recorded; made where it is absent or not of this form.',
} as const;

const sayPermission = ({ permission }: Contract): string => {
  if (permission === 'anonymous') return 'Asks for no credential.';
  return permission === 'authenticated' ? 'Asks for any credential.' : `Asks for the permission ${permission}.`;
};

const parametersOf = (schema: ParameterSchema | undefined, where: 'path' | 'query' | 'header'): readonly object[] =>
  Object.entries(schema?.properties ?? {}).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    ...(where === 'path' && { required: true }),
    schema: rest,
    ...(description !== undefined && { description }),
  }));

const contentOf = (content: { readonly [mediaType: string]: Schema }): object =>
  Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));

const responseOf = (answer: Contract['answers'][number]): object => ({
  description: answer.description,
  ...(answer.headers && { headers: Object.fromEntries(answer.headers.map((name) => [name, { schema: { type: 'string' } }])) }),
  ...(answer.content && { content: contentOf(answer.content) }),
});

/** The description itself, as a route; it describes itself too. */
export const openApiRoute = (document: () => Document): Route =>
  route(
    {
      method: 'GET',
      path: '/openapi.json',
      operation: 'describe',
      tag: 'operate',
      summary: 'This description.',
      permission: 'authenticated',
      answers: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { type: 'object', required: ['openapi', 'paths'] } } } },
    },
    () => json(document()),
  );
