import type { ErrorObject } from 'ajv';
import type { Entity } from '../evaluate/directory/types.js';
import { isManaged } from '../evaluate/iam/document.js';
import { isShaped, ROLES, shapes } from '../evaluate/shapes.js';
import type { Json, JsonObject } from '../event/index.js';
import { nearest } from '../event/index.js';

/** What is wrong with an entity's properties: where (RFC 6901, from the entity), and one sentence that says what to write. */
export type ShapeFault = { readonly pointer: string; readonly detail: string };

type Written = { readonly type: string; readonly id: string; readonly account: string | undefined; readonly properties: JsonObject };

/** Whether an entity of this type and id is there, or is written before in the same request. */
export type IsThere = (type: string, id: string) => boolean;

const escaped = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');

const FORMATS: { readonly [format: string]: string } = {
  cidr: 'a CIDR such as 203.0.113.0/24 or 2001:db8::/32',
  rfc3339: 'a time as RFC 3339 has it, such as 2026-11-22T04:03:48Z; leave it out where there is none',
};
const HASH = 'a SHA-256 of the token in small hexadecimal letters: 64 of them; the token itself is written down nowhere';
const PATTERNS = 'a type and an id joined by a slash, such as user/usr-2, group/ops or instance/inst-1';

const at = (properties: JsonObject, path: string): Json | undefined => {
  let value: Json | undefined = properties;
  for (const part of path.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    value = typeof value === 'object' && value !== null ? (value as JsonObject)[name] : undefined;
  }
  return value;
};

const meant = (word: unknown, words: readonly string[]): string => {
  const near = typeof word === 'string' ? nearest(word, words) : undefined;
  return near === undefined ? '' : ` Did you mean "${near}"?`;
};

const listed = (words: readonly string[]): string => words.map((word) => `"${word}"`).join(', ');

/** Names that an object may have, as its schema lists them. */
const namesIn = ({ parentSchema }: ErrorObject): readonly string[] => Object.keys((parentSchema?.['properties'] as object | undefined) ?? {});

/** The whole numbers that may stand there, if the schema says which. */
const rangeIn = ({ parentSchema }: ErrorObject): string | undefined =>
  parentSchema?.['type'] === 'integer' ? `must be an integer from ${parentSchema['minimum']} to ${parentSchema['maximum']}` : undefined;

/** Where ajv's error is, and the sentence for it. */
const said = (error: ErrorObject, properties: JsonObject): readonly [path: string, sentence: string] => {
  const { instancePath: path, keyword, params } = error;
  switch (keyword) {
    case 'enum': {
      const words = (params['allowedValues'] as readonly unknown[]).map(String);
      const word = error.propertyName ?? at(properties, path);
      const place = error.propertyName === undefined ? path : `${path}/${escaped(error.propertyName)}`;
      return [place, `must be one of ${listed(words)}.${meant(word, words)}`];
    }
    case 'additionalProperties': {
      const unknown = String(params['additionalProperty']);
      return [`${path}/${escaped(unknown)}`, `is not known here; ${listed(namesIn(error))} are.${meant(unknown, namesIn(error))}`];
    }
    case 'required': {
      const missing = String(params['missingProperty']);
      const others = Object.keys((at(properties, path) as JsonObject | undefined) ?? {}).filter((name) => nearest(name, [missing]) !== undefined);
      return [`${path}/${escaped(missing)}`, `is missing.${others[0] === undefined ? '' : ` Did you write "${others[0]}" for it?`}`];
    }
    case 'format':
      return [path, `must be ${FORMATS[String(params['format'])] ?? 'of another form'}.`];
    case 'pattern':
      return [path, `must be ${path === '/hash' ? HASH : PATTERNS}.`];
    case 'type':
    case 'minimum':
    case 'maximum':
      return [path, `${rangeIn(error) ?? error.message ?? 'is not valid'}.`];
    default:
      return [path, `${error.message ?? 'is not valid'}.`];
  }
};

const fault = (path: string, sentence: string): ShapeFault => ({ pointer: `/properties${path}`, detail: `/properties${path} ${sentence}` });

/** A role that is a slip of the pen for a shipped one would grant nothing; another may be a platform's own. */
const roleFault = ({ role }: JsonObject): ShapeFault | undefined => {
  if (typeof role !== 'string' || (ROLES as readonly string[]).includes(role)) return undefined;
  const near = nearest(role, ROLES);
  return near === undefined ? undefined : fault('/role', `is "${role.slice(0, 64)}", which is no role. Did you mean "${near}"?`);
};

const policiesFault = ({ account, properties }: Written, isThere: IsThere): ShapeFault | undefined => {
  const names = (properties['policies'] as readonly string[] | undefined) ?? [];
  const index = names.findIndex((name) => !isManaged(name) && !isThere('iam_policy', `${account}:${name}`));
  if (index < 0) return undefined;
  const name = names[index] as string;
  return fault(`/policies/${index}`, `names "${name.slice(0, 64)}", and there is no iam_policy/${account}:${name.slice(0, 64)}; write that first.`);
};

const ownIdFault = ({ type, id, account }: Written): ShapeFault | undefined => {
  if ((type !== 'acl' && type !== 'iam_policy') || (account !== undefined && id.startsWith(`${account}:`) && id.length > account.length + 1)) return undefined;
  return { pointer: '/id', detail: `/id must be <account>:<name>, with the account that the ${type} belongs to.` };
};

/**
 * What is wrong with an entity that the policy would read, or undefined: the first mistake, with the word that was
 * probably meant. Entities of other types, and properties that the policy doesn't read, may be as they like.
 */
export const shapeFault = (written: Written, isThere: IsThere): ShapeFault | undefined => {
  const { type, properties } = written;
  if (!isShaped(type)) return undefined;
  const isValid = shapes[type];
  if (!isValid(properties)) {
    const error = isValid.errors?.find(({ keyword }) => keyword !== 'if' && keyword !== 'propertyNames');
    return error ? fault(...said(error, properties)) : fault('', 'are not valid.');
  }
  if (type === 'membership') return roleFault(properties) ?? policiesFault(written, isThere);
  return ownIdFault(written);
};

/** {@link IsThere} of what a directory holds. */
export const thereIn =
  (directory: { readonly get: (type: string, id: string) => Entity | undefined }): IsThere =>
  (type, id) =>
    directory.get(type, id) !== undefined;
