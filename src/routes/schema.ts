const text = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength }) as const;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const PICK = '^(params|query|header|body|response)\\.[^\\s{}]+$';
const pick = { type: 'string', pattern: PICK, maxLength: 200 } as const;
const picks = { type: 'object', maxProperties: 50, additionalProperties: pick } as const;

/** What a route says beside its method and path; an operation of an OpenAPI document says the same behind `x-verdict-`. */
export const routeWords = {
  action: text(200),
  resource: { type: 'object', required: ['type', 'id'], additionalProperties: false, properties: { type: text(64), id: text(200) } },
  account: text(200),
  properties: picks,
  context: picks,
  each: pick,
  public: { type: 'boolean' },
  record: { type: 'boolean' },
  login: { type: 'object', required: ['subject'], additionalProperties: false, properties: { subject: pick } },
  entity: {
    type: 'object',
    required: ['on', 'type', 'id'],
    additionalProperties: false,
    properties: { on: { enum: ['created', 'changed', 'deleted'] }, type: text(64), each: pick, id: text(200), account: text(200), properties: picks },
  },
  name: pick,
} as const;

/** A route table as YAML or JSON. */
export const tableSchema = {
  type: 'object',
  required: ['version', 'routes'],
  additionalProperties: false,
  properties: {
    version: { const: 1 },
    routes: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: {
        type: 'object',
        required: ['method', 'path'],
        additionalProperties: false,
        properties: { method: { oneOf: [{ enum: METHODS }, { type: 'array', minItems: 1, items: { enum: METHODS } }] }, path: text(500), ...routeWords },
      },
    },
  },
} as const;

/** A route as it is written. */
export type WrittenRoute = {
  readonly method: string | readonly string[];
  readonly path: string;
  readonly action?: string;
  readonly resource?: { readonly type: string; readonly id: string };
  readonly account?: string;
  readonly properties?: { readonly [name: string]: string };
  readonly context?: { readonly [name: string]: string };
  readonly each?: string;
  readonly public?: boolean;
  readonly record?: boolean;
  readonly login?: { readonly subject: string };
  readonly entity?: {
    readonly on: 'created' | 'changed' | 'deleted';
    readonly type: string;
    readonly each?: string;
    readonly id: string;
    readonly account?: string;
    readonly properties?: { readonly [name: string]: string };
  };
  readonly name?: string;
};
