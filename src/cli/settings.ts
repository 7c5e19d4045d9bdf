import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Config, configSchema } from '../config.js';

type Schema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
};

/** One key of the configuration, as the schema has it. */
export type Setting = {
  /** Its place in verdict.yaml: `http.port`. */
  readonly path: readonly string[];
  readonly variable: string;
  readonly type: string;
  readonly default: unknown;
  readonly description: string;
  /** Bounds or choices, in words; empty where there are none. */
  readonly range: string;
  readonly isSecret: boolean;
};

const SECRETS = new Set(['admin_token', 'password', 'client_secret', 'token', 'old_keys']);
/** Elsewhere a key is a file. */
const isSecretKey = (path: readonly string[]): boolean => path.join('.') === 'secrets.key';

const rangeOf = (schema: Schema): string => {
  if (schema.enum) return schema.enum.map((one) => (one === '' ? '(empty)' : String(one))).join(', ');
  const { minimum, maximum, exclusiveMinimum } = schema;
  const low = exclusiveMinimum !== undefined ? `over ${exclusiveMinimum}` : minimum !== undefined ? `from ${minimum}` : '';
  return [low, maximum !== undefined ? `to ${maximum}` : ''].filter(Boolean).join(' ');
};

const collect = (schema: Schema, path: readonly string[]): readonly Setting[] =>
  Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const here = [...path, key];
    if (child.properties) return collect(child, here);
    return [
      {
        path: here,
        variable: `VERDICT_${here.join('_').toUpperCase()}`,
        type: child.enum ? 'choice' : (child.type ?? 'any'),
        default: child.default,
        description: child.description ?? '',
        range: rangeOf(child),
        isSecret: SECRETS.has(key) || isSecretKey(here),
      },
    ];
  });

/** Every key of the configuration, in the schema's order. */
export const settings = (): readonly Setting[] => collect(configSchema as Schema, []);

/** One key of what stands in a list or under an id. */
export type ItemSetting = { readonly name: string; readonly fallback: string; readonly description: string };

/** What stands in the lists and under the ids of the configuration, each key in the schema's order. */
export type ItemSettings = {
  readonly issuers: readonly ItemSetting[];
  readonly endUserIssuers: readonly ItemSetting[];
  readonly verificationKeys: readonly ItemSetting[];
};

export const listedSettings = (): ItemSettings => {
  const { additionalProperties: key } = sectionOf('policy')?.['verification_keys'] ?? {};
  return {
    issuers: itemSettings(sectionOf('auth')?.['issuers']?.items),
    endUserIssuers: itemSettings(sectionOf('end_users')?.['issuers']?.items),
    verificationKeys: itemSettings(typeof key === 'object' ? key : undefined),
  };
};

const sectionOf = (name: string): Schema['properties'] => (configSchema as Schema).properties?.[name]?.properties;

const itemSettings = (item: Schema | undefined): readonly ItemSetting[] =>
  Object.entries(item?.properties ?? {}).map(([name, { default: value, description = '' }]) => ({ name, fallback: fallbackOf(value), description }));

const fallbackOf = (value: unknown): string => {
  if (value === undefined) return 'must be given';
  return value === '' ? '(empty)' : `\`${Array.isArray(value) ? value.join(', ') : value}\``;
};

export type Origin = 'default' | 'file' | 'variable';
export type EffectiveSetting = Setting & { readonly value: unknown; readonly origin: Origin };

const at = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((here, key) => (here !== null && typeof here === 'object' ? (here as Record<string, unknown>)[key] : undefined), value);

const MASK = '********';

/** What may be shown of a setting's value: no secrets, and no credentials inside addresses. */
const shownValue = (setting: Setting, value: unknown): unknown => {
  if (setting.isSecret) return value === '' || value === undefined || (Array.isArray(value) && value.length === 0) ? '' : MASK;
  if (typeof value === 'string' && URL.canParse(value)) {
    const url = new URL(value);
    if (url.username !== '' || url.password !== '') return value.replace(/\/\/[^@/]*@/, `//${MASK}@`);
  }
  return value;
};

/** The configuration in force, key by key, with where each value comes from and its secrets masked. */
export const effectiveSettings = (config: Config, env: NodeJS.ProcessEnv, path?: string): readonly EffectiveSetting[] => {
  const source = path ?? env['VERDICT_CONFIG'] ?? 'verdict.yaml';
  const written: unknown = existsSync(source) ? parse(readFileSync(source, 'utf8')) : {};
  return settings().map((setting) => {
    const isVariable = env[setting.variable] !== undefined;
    const origin: Origin = isVariable ? 'variable' : at(written, setting.path) !== undefined ? 'file' : 'default';
    return { ...setting, value: shownValue(setting, at(config, setting.path)), origin };
  });
};
