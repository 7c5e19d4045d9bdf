import { asQuestion, readJson } from '../api/index.js';
import type { PolicyQuery, QueryInput } from '../evaluate/index.js';
import { isObject, type Json, type JsonObject } from '../event/index.js';

/** An input as it was sent: `given` is false where the request has none, and the policy's `input` is undefined then. */
export type InputRead = { readonly ok: true; readonly given: boolean; readonly asked: QueryInput } | ReadFault;
export type InputsRead = { readonly ok: true; readonly names: readonly string[]; readonly queries: readonly PolicyQuery[] } | ReadFault;
export type ReadFault = { readonly ok: false; readonly code: string; readonly message: string };

/** The most inputs of one batch. */
export const MAX_INPUTS = 1_000;

const NONE: InputRead = { ok: true, given: false, asked: { kind: 'raw', input: undefined } };

const fault = (what: string, code: string, message: string): ReadFault => ({
  ok: false,
  code,
  message: `${what} contains a malformed input document: ${message}`,
});

/** What of an input a question doesn't have, but for what only Verdict writes; undefined where nothing is left. */
const besides = (input: JsonObject): JsonObject | undefined => {
  const { subject: _s, action: _a, resource: _r, context: _c, directory: _d, facts: _f, ...more } = input;
  for (const _ in more) return more;
  return undefined;
};

const QUESTION_KEYS = 4;

/** An input that AuthZEN's evaluation would take is a question; every other one is put to the policy as it is. */
const askedBy = (input: Json): QueryInput => {
  const question = isObject(input) ? asQuestion(input) : undefined;
  if (!question) return { kind: 'raw', input };
  const more = Object.keys(input as JsonObject).length < QUESTION_KEYS ? undefined : besides(input as JsonObject);
  return { kind: 'question', question, ...(more && { more }) };
};

const present = (input: Json | undefined): InputRead => (input === undefined || input === null ? NONE : { ok: true, given: true, asked: askedBy(input) });

/** Reads the body of `POST /v1/data/…`: `{"input": …}`. An empty one, and `null`, are a query without input. */
export const readDataBody = (bytes: Buffer): InputRead => {
  if (bytes.length === 0) return NONE;
  const read = readJson(bytes);
  if (!read.ok) return fault('The body', read.code, read.message);
  if (read.value === null) return NONE;
  if (!isObject(read.value)) return fault('The body', 'body.invalid', 'an object with a member "input" is expected.');
  return present(read.value['input']);
};

/** Reads the body of `POST /`: the input itself. */
export const readBareInput = (bytes: Buffer): InputRead => {
  if (bytes.length === 0) return NONE;
  const read = readJson(bytes);
  return read.ok ? present(read.value) : fault('The body', read.code, read.message);
};

/** Reads the parameter of `GET /v1/data/…?input=…`. */
export const readInputParameter = (text: string | null): InputRead => {
  if (text === null) return NONE;
  const read = readJson(Buffer.from(text));
  return read.ok ? present(read.value) : fault('The parameter "input"', read.code, read.message.replace('The body', 'It'));
};

/** Reads the body of `POST /v1/batch/data/…`: `{"inputs": {"<name>": …}}`, for one path. */
export const readInputs = (bytes: Buffer, path: string): InputsRead => {
  const read = readJson(bytes);
  if (!read.ok) return fault('The body', read.code, read.message);
  const inputs = isObject(read.value) ? read.value['inputs'] : undefined;
  if (!isObject(inputs)) return fault('The body', 'body.invalid', 'an object with an object "inputs" in it is expected.');
  const names = Object.keys(inputs);
  if (names.length > MAX_INPUTS) return fault('The body', 'batch.too_many', `at most ${MAX_INPUTS} inputs at a time; this request has ${names.length}.`);
  return { ok: true, names, queries: names.map((name) => ({ path, asked: (present(inputs[name]) as Extract<InputRead, { ok: true }>).asked })) };
};
