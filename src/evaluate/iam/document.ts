import ipaddr from 'ipaddr.js';
import { newAjv } from '../../event/index.js';
import { timeOf } from '../facts/times.js';

/** When a statement counts; all that are given must hold. */
export type Conditions = {
  readonly ip?: readonly string[];
  readonly not_ip?: readonly string[];
  readonly after?: string;
  readonly before?: string;
  readonly mfa?: boolean;
  readonly tags?: readonly string[];
  readonly regions?: readonly string[];
};

/** One statement: `*` in its actions and resources is any run of characters. */
export type Statement = {
  readonly sid?: string;
  readonly effect: 'allow' | 'deny';
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Conditions;
};

/** An IAM managed policy as it is attached. */
export type IamDocument = { readonly version: string; readonly statements: readonly Statement[] };

/** The one version of the documents' language. */
export const DOCUMENT_VERSION = '2026-11-01';

/** The policies that ship, and that no account has to write; a platform may put its own prefix before their names. */
export const MANAGED = ['ReadOnlyAccess', 'StorageFullAccess', 'ComputeFullAccess', 'BillingAccess', 'SecurityAudit'] as const;

/** Whether a name is a shipped policy's, a platform's prefix before it or not. */
export const isManaged = (name: string): boolean => MANAGED.some((managed) => name.endsWith(managed));

/** A CIDR, or one address, of IPv4 (in four parts) or IPv6. */
export const isCidr = (text: string): boolean => {
  const [start = '', bits] = text.split('/');
  const isWhole = start.includes(':') ? ipaddr.IPv6.isValid(start) : ipaddr.IPv4.isValidFourPartDecimal(start);
  return isWhole && !start.includes('%') && (bits === undefined ? !text.includes('/') : ipaddr.isValidCIDR(text));
};

const pattern = { type: 'string', minLength: 1, maxLength: 256 } as const;
const patterns = { type: 'array', minItems: 1, maxItems: 100, items: pattern } as const;
const cidrs = { type: 'array', minItems: 1, maxItems: 100, items: { type: 'string', format: 'cidr' } } as const;
const words = { type: 'array', minItems: 1, maxItems: 100, items: { type: 'string', minLength: 1, maxLength: 256 } } as const;
const time = { type: 'string', format: 'rfc3339' } as const;

/** The JSON Schema (draft-07) of {@link IamDocument}; its formats are those of {@link shapesAjv}. */
export const documentSchema = {
  type: 'object',
  required: ['version', 'statements'],
  additionalProperties: false,
  properties: {
    version: { enum: [DOCUMENT_VERSION] },
    statements: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        type: 'object',
        required: ['effect', 'actions', 'resources'],
        additionalProperties: false,
        properties: {
          sid: { type: 'string', minLength: 1, maxLength: 64 },
          effect: { enum: ['allow', 'deny'] },
          actions: patterns,
          resources: patterns,
          conditions: {
            type: 'object',
            additionalProperties: false,
            properties: { ip: cidrs, not_ip: cidrs, after: time, before: time, mfa: { type: 'boolean' }, tags: words, regions: words },
          },
        },
      },
    },
  },
} as const;

/** An ajv that knows the formats of what the policy reads (`cidr`, and RFC 3339's times), and shows the schema in its errors. */
export const shapesAjv = () =>
  newAjv({ verbose: true })
    .addFormat('cidr', isCidr)
    .addFormat('rfc3339', (text: string) => timeOf(text) !== null);

/** True if the value is a whole {@link IamDocument}; `isDocument.errors` says what is wrong otherwise. */
export const isDocument = shapesAjv().compile<IamDocument>(documentSchema);
