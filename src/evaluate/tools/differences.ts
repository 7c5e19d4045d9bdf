type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const say = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value));

const inLists = (expected: readonly unknown[], actual: unknown, path: string): readonly string[] => {
  if (!Array.isArray(actual) || actual.length !== expected.length) return [`${path} is ${say(actual)}, and should be ${say(expected)}`];
  return expected.flatMap((one, index) => differences(one, actual[index], `${path}.${index}`));
};

/**
 * Where a value is not as expected, a phrase for each place. Objects may hold more than is expected of them; lists may not.
 * An object expected under a path that `whole` names is to be exactly so.
 */
export const differences = (expected: unknown, actual: unknown, path: string, whole: ReadonlySet<string> = new Set()): readonly string[] => {
  if (Array.isArray(expected)) return inLists(expected, actual, path);
  if (!isFields(expected) || !isFields(actual)) return Object.is(expected, actual) ? [] : [`${path} is ${say(actual)}, and should be ${say(expected)}`];
  const extra = whole.has(path) ? Object.keys(actual).filter((name) => !Object.hasOwn(expected, name)) : [];
  return [
    ...Object.entries(expected).flatMap(([name, value]) => differences(value, actual[name], `${path}.${name}`, whole)),
    ...extra.map((name) => `${path}.${name} is ${say(actual[name])}, and should be missing`),
  ];
};
