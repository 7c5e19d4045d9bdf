import type { ErrorObject } from 'ajv';
import { nearest } from '../event/index.js';

/** Alternatives add an error of their own to those of each branch. */
const NOISE = new Set(['anyOf', 'oneOf', 'type']);

const guess = (word: unknown, words: readonly unknown[]): string => {
  const known = words.filter((one) => typeof one === 'string');
  const plain = known.map((one) => one.toLowerCase());
  const found = typeof word === 'string' ? nearest(word, plain) : undefined;
  const near = found === undefined ? undefined : known[plain.indexOf(found)];
  return near === undefined ? `; it can be ${known.join(', ')}` : `; did you mean "${near}"?`;
};

const quoted = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? 'nothing';

/** One sentence for an error of ajv's (made with `verbose`), without its place and its full stop. */
const sentenceOf = ({ keyword, params, data, message, parentSchema }: ErrorObject): string => {
  const known = Object.keys((parentSchema?.['properties'] as object | undefined) ?? {});
  if (keyword === 'additionalProperties') return `"${String(params['additionalProperty'])}" is no word of it${guess(params['additionalProperty'], known)}`;
  if (keyword === 'enum') return `${quoted(data)} is none of its values${guess(data, params['allowedValues'] as readonly unknown[])}`;
  if (keyword === 'const') return `must be ${quoted(params['allowedValue'])}, not ${quoted(data)}`;
  if (keyword === 'required') return `"${String(params['missingProperty'])}" is missing`;
  if (keyword === 'pattern') return `${quoted(data)} is no value; write params.NAME, query.NAME, header.NAME, body.NAME, or, in entity and name, response.NAME`;
  if (keyword === 'type') return `must be ${String(params['type'])}, not ${quoted(data)}`;
  return message ?? 'is not valid';
};

/** `resource.id`, from `/resource/id`. */
const wordAt = (pointer: string): string => pointer.split('/').filter(Boolean).join('.');

/**
 * What a schema found, as sentences: each once, by the place that `placeOf` gives to the pointer, without the noise of
 * alternatives. `placeOf` gives the words that stand before the pointer's rest.
 */
export const faultsOf = (
  errors: readonly ErrorObject[],
  placeOf: (pointer: string) => { readonly place: string; readonly rest: string },
): readonly string[] => {
  const plain = errors.filter(({ keyword }) => !NOISE.has(keyword));
  const said = new Set<string>();
  for (const error of plain.length > 0 ? plain : errors.slice(0, 1)) {
    const { place, rest } = placeOf(error.instancePath);
    const word = wordAt(rest);
    const sentence = sentenceOf(error);
    said.add(`${place}: ${word === '' ? '' : `${word}: `}${sentence}${sentence.endsWith('?') ? '' : '.'}`);
  }
  return [...said];
};
