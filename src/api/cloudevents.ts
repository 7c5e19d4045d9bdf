import type { IncomingHttpHeaders } from 'node:http';
import { isObject, type Json, type JsonObject } from '../event/index.js';
import type { Posted } from '../ingest/record.js';

/** CloudEvents 1.0 in its JSON format, structured and in batches. */
export const CLOUDEVENT = 'application/cloudevents+json';
export const CLOUDEVENTS = 'application/cloudevents-batch+json';

/** What a CloudEvent must have (CloudEvents 1.0.2, section 3.1), for the API's description. */
export const cloudEventSchema = {
  title: 'CloudEvent',
  type: 'object',
  required: ['specversion', 'id', 'source', 'type', 'time', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', description: "Becomes the event's id." },
    source: { type: 'string', description: 'Becomes details.ce_source; the credential sets the source of the event.' },
    type: { type: 'string', description: "Becomes the event's action." },
    time: { type: 'string', format: 'date-time', description: "Becomes the event's timestamp." },
    subject: { type: 'string', description: '`<type>/<id>`: becomes the resource where data has none.' },
    data: { type: 'object', description: 'The event, without id, timestamp and action.' },
  },
} as const;

const CONTEXT = new Set(['specversion', 'id', 'source', 'type', 'time', 'subject', 'data', 'datacontenttype', 'dataschema', 'data_base64']);
/** Extension attributes are named by lower-case letters and digits (CloudEvents 1.0.2, section 3.1). */
const EXTENSION = /^[a-z0-9]{1,64}$/;

const fault = (detail: string): Posted => ({ ok: false, code: 'cloudevent.invalid', detail });

/** Turns a CloudEvent into what a producer would have posted: id, time and type become id, timestamp and action; the rest is in `data`. */
export const fromCloudEvent = (value: Json): Posted => {
  if (!isObject(value)) return fault('A CloudEvent must be a JSON object.');
  const { specversion, id, source, type, time, subject, data } = value;
  if (specversion !== '1.0') return fault('"specversion" must be "1.0".');
  for (const [name, given] of Object.entries({ id, source, type }))
    if (typeof given !== 'string' || given === '') return fault(`A CloudEvent must have "${name}", a string.`);
  if (typeof time !== 'string') return fault('A CloudEvent needs "time" here: an event with its own id brings its timestamp.');
  if (value['data_base64'] !== undefined) return fault('"data_base64" is not accepted: the event must be JSON, in "data".');
  if (!isObject(data)) return fault('"data" must be an object: the event itself.');
  const own: JsonObject = { id: id as Json, timestamp: time, action: type as Json };
  const twice = Object.keys(own).find((name) => data[name] !== undefined && data[name] !== own[name]);
  if (twice) return fault(`"data.${twice}" contradicts the CloudEvent's own attributes; leave it out.`);
  const given = data['details'];
  if (given !== undefined && !isObject(given)) return fault('"data.details" must be an object.');
  const resource = data['resource'] ?? resourceOf(subject);
  return { ok: true, value: { ...data, ...own, ...(resource !== undefined && { resource }), details: { ...given, ...attributesOf(value) } } };
};

/** `instance/inst-1` names a resource by type and id. */
const resourceOf = (subject: Json | undefined): JsonObject | undefined => {
  if (typeof subject !== 'string') return undefined;
  const slash = subject.indexOf('/');
  return slash > 0 ? { type: subject.slice(0, slash), id: subject.slice(slash + 1) } : undefined;
};

/** Where it came from and its extension attributes, as `ce_<name>`. */
const attributesOf = (event: JsonObject): JsonObject => {
  const kept: Record<string, Json> = { ce_source: event['source'] as Json };
  if (event['dataschema'] !== undefined) kept['ce_dataschema'] = event['dataschema'];
  for (const [name, value] of Object.entries(event)) if (!CONTEXT.has(name) && EXTENSION.test(name)) kept[`ce_${name}`] = value;
  return kept;
};

/** True for a request whose `ce-*` headers make its body the data of a CloudEvent (CloudEvents HTTP binding 1.0.2, section 3.1). */
export const isBinary = (headers: IncomingHttpHeaders): boolean => headers['ce-specversion'] !== undefined;

/** The CloudEvent of a request in binary mode. Header values are percent-encoded UTF-8 (section 3.1.3.2). */
export const fromHeaders = (headers: IncomingHttpHeaders, data: Json): Posted => {
  const event: Record<string, Json> = { data };
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-') || typeof value !== 'string') continue;
    const attribute = name.slice(3);
    if (!EXTENSION.test(attribute) || attribute === 'data') return fault(`The header ${name} names no attribute of a CloudEvent.`);
    const text = decoded(value);
    if (text === undefined) return fault(`The header ${name} is not valid percent-encoded UTF-8.`);
    event[attribute] = text;
  }
  return fromCloudEvent(event);
};

const decoded = (value: string): string | undefined => {
  try {
    const text = decodeURIComponent(value);
    return text.includes('\u0000') ? undefined : text;
  } catch {
    return undefined;
  }
};
