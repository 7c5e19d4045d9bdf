import { PolicyError } from '../evaluate/index.js';

/** How deep a bundle's documents may be nested. */
const MAX_DEPTH = 512;

const SPACE = ' \t\n\r';
const NUMBER_PART = '0123456789+-.eE';
const LONE_SURROGATE = /\p{Surrogate}/u;
const BEYOND_BMP_ORDER = /[\ud800-\uffff]/;

/** Go orders keys by their UTF-8 bytes, JavaScript by UTF-16: they differ where a key has a surrogate pair. */
const inOrder = (keys: readonly string[]): readonly string[] =>
  keys.some((key) => BEYOND_BMP_ORDER.test(key)) ? [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))) : [...keys].sort();

/** A string as Go's encoder writes it without HTML escapes. */
const encode = (text: string): string => JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');

/** A cursor over a text that is known to be JSON. */
const reader = (text: string, name: string) => {
  let at = 0;
  const peek = (): string => {
    while (SPACE.includes(text[at] as string)) at++;
    return text[at] as string;
  };
  const taken = (isPart: (character: string) => boolean): string => {
    const start = at;
    while (at < text.length && isPart(text[at] as string)) at++;
    return text.slice(start, at);
  };
  const string = (): string => {
    const start = at;
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++;
    at++;
    const value = JSON.parse(text.slice(start, at)) as string;
    if (LONE_SURROGATE.test(value)) throw new PolicyError(`The policy bundle's ${name} has half of a surrogate pair in a string: it is no Unicode text.`);
    return value;
  };
  return {
    peek,
    step: (): void => void at++,
    string,
    number: (): string => taken((character) => NUMBER_PART.includes(character)),
    word: (): string => taken((character) => character >= 'a' && character <= 'z'),
  };
};

type Reader = ReturnType<typeof reader>;

const object = (from: Reader, name: string, depth: number): string => {
  const members = new Map<string, string>();
  from.step();
  while (from.peek() !== '}') {
    if (from.peek() === ',') from.step();
    from.peek();
    const key = from.string();
    if (members.has(key)) throw new PolicyError(`The policy bundle's ${name} has the key ${JSON.stringify(key)} twice in one object.`);
    from.peek();
    from.step();
    members.set(key, value(from, name, depth + 1));
  }
  from.step();
  return `{${inOrder([...members.keys()])
    .map((key) => `${encode(key)}:${members.get(key)}`)
    .join(',')}}`;
};

const array = (from: Reader, name: string, depth: number): string => {
  const items: string[] = [];
  from.step();
  while (from.peek() !== ']') {
    if (from.peek() === ',') from.step();
    items.push(value(from, name, depth + 1));
  }
  from.step();
  return `[${items.join(',')}]`;
};

const value = (from: Reader, name: string, depth: number): string => {
  if (depth > MAX_DEPTH) throw new PolicyError(`The policy bundle's ${name} is nested more than ${MAX_DEPTH} levels deep.`);
  const first = from.peek();
  if (first === '{') return object(from, name, depth);
  if (first === '[') return array(from, name, depth);
  if (first === '"') return encode(from.string());
  return NUMBER_PART.includes(first) && first !== 'e' ? from.number() : from.word();
};

/**
 * JSON bytes in the one form that OPA hashes when it signs: no white space, keys in the order of their UTF-8 bytes,
 * each number as it is spelt (`1.0` is not `1`, and no digit is lost), strings without HTML escapes (OPA 1.10,
 * v1/bundle/hash.go). Throws {@link PolicyError} for what is not JSON, and for what two readers could read in two ways:
 * a key twice, text that is no Unicode.
 */
export const canonicalJson = (bytes: Buffer, name: string): string => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
  } catch {
    throw new PolicyError(`The policy bundle's ${name} is not JSON in UTF-8.`);
  }
  return value(reader(text, name), name, 0);
};
