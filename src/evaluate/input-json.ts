import type { JsonObject } from '../event/index.js';
import type { Input } from './input.js';

const encoder = new TextEncoder();
const texts = new WeakMap<object, string>();

/** The JSON of something of the directory, made once: what the directory holds never changes, a change is another object. */
const once = (value: object | null): string => {
  if (value === null) return 'null';
  const known = texts.get(value);
  if (known !== undefined) return known;
  const text = JSON.stringify(value);
  texts.set(value, text);
  return text;
};

/** Of properties that are an entity's own, the text that is kept; of others, which come and go with a question, a new one. */
const partyJson = ({ type, id, properties }: Input['subject'], known: Input['directory']['subject']): string => {
  const text = known !== null && properties === known['properties'] ? once(properties) : JSON.stringify(properties);
  return `{"type":${JSON.stringify(type)},"id":${JSON.stringify(id)},"properties":${text}}`;
};

const attachedJson = ({ id, name, statements }: NonNullable<Input['directory']['policies']>[number]): string =>
  `{"id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"statements":${once(statements)}}`;

const directoryJson = ({ account, membership, token, subject, resource, acl, policies }: Input['directory']): string => {
  const entities = `"account":${once(account)},"membership":${once(membership)},"token":${once(token)},"subject":${once(subject)},"resource":${once(resource)}`;
  const entries = acl ? `,"acl":[${acl.map(once).join(',')}]` : '';
  const documents = policies ? `,"policies":[${policies.map(attachedJson).join(',')}]` : '';
  return `{${entities}${entries}${documents}}`;
};

/**
 * The policy's input as bytes of JSON, which the compiled policy reads as they are. Most of an input is the directory's
 * and the same from question to question: writing it out each time took as long as the policy itself. `more` are members
 * of the asker's own that no question has; none may be named as one of the input's.
 */
export const inputJson = ({ subject, action, resource, context, directory, facts }: Input, more?: JsonObject): ArrayBuffer => {
  const parties = `"subject":${partyJson(subject, directory.subject)},"action":${JSON.stringify(action)},"resource":${partyJson(resource, directory.resource)}`;
  const own = more ? `${JSON.stringify(more).slice(1, -1)},` : '';
  const text = `{${own}${parties},"context":${JSON.stringify(context)},"directory":${directoryJson(directory)},"facts":${JSON.stringify(facts)}}`;
  return encoder.encode(text).buffer as ArrayBuffer;
};

const decoder = new TextDecoder();

/** The inverse of {@link inputJson}, for those who look on; an input that is no bytes is itself. */
export const readInput = (given: object): Input => (given instanceof ArrayBuffer ? (JSON.parse(decoder.decode(given)) as Input) : (given as Input));
