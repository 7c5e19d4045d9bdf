import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

type Attribute = {
  readonly type: string;
  readonly object?: string;
  readonly list?: boolean;
  readonly required?: boolean;
  readonly profile?: string;
  readonly values?: readonly number[];
};
type Shape = { readonly uid?: number; readonly at_least_one?: readonly string[]; readonly attributes: { readonly [name: string]: Attribute } };
type Facts = { readonly version: string; readonly classes: { readonly [name: string]: Shape }; readonly objects: { readonly [name: string]: Shape } };

/** Names, types and requirements of OCSF 1.6.0, as the schema that the project publishes has them (see test/fixtures/ocsf/README.md). */
export const OCSF_FACTS = JSON.parse(readFileSync(new URL('../fixtures/ocsf/1.6.0.json', import.meta.url), 'utf8')) as Facts;

type Value = { readonly [name: string]: unknown };
const isRecord = (value: unknown): value is Value => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string';
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);

const EMAIL = /^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/;
const TYPES: { readonly [type: string]: (value: unknown) => boolean } = {
  string_t: isText,
  username_t: isText,
  hostname_t: isText,
  url_t: isText,
  resource_uid_t: isText,
  uuid_t: isText,
  email_t: (value) => isText(value) && EMAIL.test(value as string),
  ip_t: (value) => isText(value) && isIP(value as string) !== 0 && (value as string).length <= 40,
  integer_t: isWhole,
  long_t: isWhole,
  timestamp_t: isWhole,
  port_t: isWhole,
  boolean_t: (value) => typeof value === 'boolean',
  json_t: () => true,
};

const faultsOfAttribute = (path: string, attribute: Attribute, value: unknown): readonly string[] => {
  if (attribute.list) {
    const { list: _list, ...one } = attribute;
    return Array.isArray(value) ? value.flatMap((child, n) => faultsOfAttribute(`${path}[${n}]`, one, child)) : [`${path} must be a list`];
  }
  if (attribute.type === 'object_t') {
    if (!isRecord(value)) return [`${path} must be an object`];
    if (attribute.object === 'object') return [];
    const shape = OCSF_FACTS.objects[attribute.object as string];
    return shape ? faultsOf(path, shape, value, []) : [`${path} is a ${attribute.object}, which the facts don't have`];
  }
  if (!TYPES[attribute.type]?.(value)) return [`${path} is no ${attribute.type}: ${JSON.stringify(value)}`];
  return attribute.values && !attribute.values.includes(value as number) ? [`${path} has no value ${value}`] : [];
};

const faultsOf = (path: string, { attributes, at_least_one }: Shape, value: Value, profiles: readonly string[]): readonly string[] => {
  const has = (profile: string | undefined): boolean => profile === undefined || profiles.includes(profile);
  const missing = Object.entries(attributes).filter(([name, { required, profile }]) => required && has(profile) && value[name] === undefined);
  const none = at_least_one && !at_least_one.some((name) => value[name] !== undefined) ? [`${path} has none of ${at_least_one.join(', ')}`] : [];
  const own = Object.entries(value).flatMap(([name, child]) => {
    const attribute = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (!attribute) return [`${path}.${name} is not in the schema`];
    return has(attribute.profile) ? faultsOfAttribute(`${path}.${name}`, attribute, child) : [`${path}.${name} needs the profile ${attribute.profile}`];
  });
  return [...missing.map(([name]) => `${path}.${name} is required`), ...none, ...own];
};

/** What is wrong with an OCSF event: nothing that is required is missing, all that is there is known and of its type. */
export const ocsfFaults = (event: Value): readonly string[] => {
  const [name, shape] = Object.entries(OCSF_FACTS.classes).find(([, { uid }]) => uid === event['class_uid']) ?? [];
  if (!name || !shape) return [`class ${String(event['class_uid'])} is unknown`];
  const metadata = event['metadata'] as { readonly profiles?: readonly string[] } | undefined;
  return faultsOf(name, shape, event, metadata?.profiles ?? []);
};
