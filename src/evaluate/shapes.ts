import { documentSchema, shapesAjv } from './iam/document.js';

/** The roles of the shipped table; a platform's own table may know more. */
export const ROLES = ['owner', 'admin', 'developer', 'viewer', 'auditor', 'root'] as const;
export const ACCESS_MODELS = ['roles', 'acl', 'iam'] as const;
export const GUARDRAILS = [
  'firewall.all_ports',
  'firewall.database_port',
  'firewall.ssh',
  'firewall.egress',
  'ssh_key',
  'residency',
  'user_data',
  'duties',
] as const;
export const LEVELS = ['off', 'warn', 'deny'] as const;
export const SCOPES = ['read', 'write', 'admin'] as const;
/** How long an account's events are kept: by its tier, or in days (src/store/retention.ts). */
export const TIERS = ['standard', 'enterprise'] as const;
export const RETENTION_DAYS = { least: 1, most: 730 } as const;
export const SECOND_FACTORS = ['totp', 'hardware_key', 'sms'] as const;

const name = { type: 'string', minLength: 1, maxLength: 256 } as const;
const names = { type: 'array', maxItems: 200, items: name } as const;
const time = { type: 'string', format: 'rfc3339' } as const;

const account = {
  type: 'object',
  properties: {
    access_models: { type: 'array', minItems: 1, items: { enum: ACCESS_MODELS } },
    require_2fa: { type: 'object', required: ['since'], properties: { since: time } },
    ip_allowlist: { type: 'array', maxItems: 1000, items: { type: 'string', format: 'cidr' } },
    regions: names,
    tier: { enum: TIERS },
    retention_days: { type: 'integer', minimum: RETENTION_DAYS.least, maximum: RETENTION_DAYS.most },
    guardrails: { type: 'object', propertyNames: { enum: GUARDRAILS }, additionalProperties: { enum: LEVELS } },
  },
} as const;

const user = {
  type: 'object',
  properties: {
    two_factor: { type: 'object', properties: { methods: { type: 'array', maxItems: 20, items: { enum: SECOND_FACTORS } } } },
  },
} as const;

const membership = {
  type: 'object',
  properties: {
    role: name,
    groups: names,
    policies: { type: 'array', maxItems: 50, items: name },
    joined: time,
    ends: time,
    subject_type: { type: 'string', minLength: 1, maxLength: 64 },
  },
  if: { required: ['role'], properties: { role: { const: 'auditor' } } },
  then: { required: ['ends'] },
} as const;

const token = {
  type: 'object',
  properties: {
    owner: name,
    hash: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    scope: { enum: SCOPES },
    services: names,
    created: time,
    expires: time,
    not_before: time,
    revoked: { type: 'boolean' },
  },
} as const;

/** What an ACL entry's target is, told by the one word that it must have. */
const TARGETS = [
  { required: ['module'], additionalProperties: false, properties: { module: name, except: names } },
  { required: ['resource'], additionalProperties: false, properties: { resource: { type: 'string', pattern: '^[^/]+/.+$', maxLength: 320 } } },
  { required: ['tag'], additionalProperties: false, properties: { tag: name } },
] as const;

const target = {
  type: 'object',
  if: { required: ['module'] },
  then: TARGETS[0],
  else: { if: { required: ['tag'] }, then: TARGETS[2], else: TARGETS[1] },
} as const;

const acl = {
  type: 'object',
  required: ['grantee', 'target', 'access'],
  properties: {
    grantee: { type: 'string', pattern: '^[^/]+/.+$', maxLength: 320 },
    target,
    access: { enum: ['read-only', 'read-write'] },
    verbs: { type: 'array', minItems: 1, maxItems: 50, items: name },
    ends: time,
  },
} as const;

const iamPolicy = { type: 'object', required: ['document'], properties: { document: documentSchema } } as const;

const ajv = shapesAjv();

/**
 * What the policy reads of an entity's properties, by the entity's type: a validator for each type that grants, limits or
 * identifies. Further properties are a platform's own, and allowed; not so inside an ACL's target or an IAM document.
 */
export const shapes = {
  account: ajv.compile(account),
  user: ajv.compile(user),
  membership: ajv.compile(membership),
  token: ajv.compile(token),
  acl: ajv.compile(acl),
  iam_policy: ajv.compile(iamPolicy),
} as const;

export type ShapedType = keyof typeof shapes;
export const isShaped = (type: string): type is ShapedType => Object.hasOwn(shapes, type);
