import type { Json, JsonObject } from '../event/index.js';
import { isSealed, type Secrets } from './secrets.js';

/** A JSON Schema of an object; a property with `"x-secret": true` is encrypted where it is kept and never shown. */
export type ConfigSchema = {
  readonly type: 'object';
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, JsonObject>>;
  readonly [keyword: string]: unknown;
};

/** What is shown in a secret's place, and what leaves it as it is where it is given back. */
export const MASK = '********';

/** Paths of a schema's secrets, through nested objects: `['auth', 'token']`. */
export const secretPaths = (schema: Json | ConfigSchema, path: readonly string[] = []): readonly (readonly string[])[] => {
  const properties = (schema as { readonly properties?: Readonly<Record<string, JsonObject>> }).properties ?? {};
  return Object.entries(properties).flatMap(([name, child]) => (child['x-secret'] === true ? [[...path, name]] : secretPaths(child, [...path, name])));
};

/** The same object with the text at a path replaced; as it is, where there is none. */
export const withText = (value: JsonObject, [head, ...rest]: readonly string[], change: (text: string) => string): JsonObject => {
  if (head === undefined) return value;
  const child = value[head];
  if (typeof child === 'string' && rest.length === 0) return { ...value, [head]: change(child) };
  if (typeof child !== 'object' || child === null || Array.isArray(child) || rest.length === 0) return value;
  return { ...value, [head]: withText(child as JsonObject, rest, change) };
};

const ownerOf = (owner: string, path: readonly string[]): string => `${owner}/${path.join('.')}`;

const overSecrets = (config: JsonObject, schema: ConfigSchema, change: (text: string, path: readonly string[]) => string): JsonObject =>
  secretPaths(schema).reduce<JsonObject>((whole, path) => withText(whole, path, (text) => change(text, path)), config);

const textAt = (config: JsonObject | undefined, path: readonly string[]): string | undefined => {
  const found = path.reduce<unknown>((here, name) => (typeof here === 'object' && here !== null ? (here as Record<string, unknown>)[name] : undefined), config);
  return typeof found === 'string' ? found : undefined;
};

/** The same whatever order its members stand in. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([left], [right]) => (left < right ? -1 : 1)))
      : child,
  );

/** Whether a mask stands in a secret's place. */
export const hasMask = (config: JsonObject, schema: ConfigSchema): boolean => secretPaths(schema).some((path) => textAt(config, path) === MASK);

/** Whether two configurations differ in their secrets at most. */
export const sameButSecrets = (left: JsonObject, right: JsonObject, schema: ConfigSchema): boolean =>
  canonical(masked(left, schema)) === canonical(masked(right, schema));

/** Puts what is kept back where a mask was given in its place. */
export const withKept = (config: JsonObject, kept: JsonObject | undefined, schema: ConfigSchema): JsonObject =>
  overSecrets(config, schema, (text, path) => (text === MASK ? (textAt(kept, path) ?? text) : text));

/**
 * Encrypts a configuration's secrets, each bound to its owner (`<type>/<id>`) and its place. One that is the same as
 * before stays the same text, unless an old key has sealed it. Throws SecretError.
 */
export const sealed = (secrets: Secrets, owner: string, config: JsonObject, kept: JsonObject | undefined, schema: ConfigSchema): JsonObject =>
  overSecrets(config, schema, (text, path) => {
    const place = ownerOf(owner, path);
    const before = textAt(kept, path);
    const isSame = isSealed(before) && !(secrets.canSeal && secrets.isOld(before)) && secrets.open(before, place) === text;
    return isSame ? before : secrets.seal(text, place);
  });

/** The configuration with its secrets in the clear, for the sender alone. Throws SecretError. */
export const opened = (secrets: Secrets, owner: string, config: JsonObject, schema: ConfigSchema): JsonObject =>
  overSecrets(config, schema, (text, path) => (isSealed(text) ? secrets.open(text, ownerOf(owner, path)) : text));

/** The configuration as it may be shown: where its kind isn't known, everything sealed is masked all the same. */
export const masked = (config: JsonObject, schema: ConfigSchema | undefined): JsonObject => {
  const known = schema ? overSecrets(config, schema, () => MASK) : config;
  const walk = (value: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(value).map(([name, child]) => {
        if (isSealed(child)) return [name, MASK];
        return [name, typeof child === 'object' && child !== null && !Array.isArray(child) ? walk(child as JsonObject) : child];
      }),
    );
  return walk(known);
};
