import { readFile } from 'node:fs/promises';
import { isObject, type Json, type JsonObject } from '../event/index.js';
import { type BundleFiles, PolicyError, readBundle, revisionOf } from './bundle.js';
import { type Builtins, compile, type Instance, instantiate, type Module, requiredBuiltins, SDK_BUILTINS, sayThrown } from './opa-wasm.js';
import { failedAnswer, toAnswer } from './policy-answer.js';
import type { Policy } from './policy-types.js';

/** Where the bundle is, what to ask of it, and the most memory (in pages of 64 KiB) that an evaluation may have. */
export type PolicySource = ({ readonly bytes: Uint8Array } | { readonly path: string }) & {
  readonly entrypoint: string;
  readonly memoryPages: number;
  /** Builtins beyond WASM's own and the SDK's. */
  readonly builtins?: Builtins;
};

const bytesOf = async (source: PolicySource): Promise<Uint8Array> => {
  if ('bytes' in source) return source.bytes;
  try {
    return await readFile(source.path);
  } catch (error) {
    throw new PolicyError(`The policy bundle ${source.path} can't be read: ${(error as Error).message}.`);
  }
};

const actionsIn = ({ catalogue }: JsonObject): readonly string[] => {
  const actions = isObject(catalogue) ? catalogue['actions'] : undefined;
  return isObject(actions) ? Object.keys(actions).sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))) : [];
};

/** The bundle's data as JSON bytes, and the names of its actions, checked: the SDK would take broken JSON silently. */
const dataOf = (files: BundleFiles): { readonly bytes: ArrayBuffer; readonly actions: readonly string[] } => {
  const stray = [...files.keys()].find((name) => /(^|\/)data\.(json|ya?ml)$/.test(name) && name !== 'data.json');
  if (stray) throw new PolicyError(`The policy bundle has its data in ${stray}; \`opa build -t wasm\` merges all data into data.json.`);
  const content = files.get('data.json') ?? Buffer.from('{}');
  let data: unknown;
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch (error) {
    throw new PolicyError(`The policy bundle's data.json is not JSON: ${sayThrown(error)}.`);
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new PolicyError("The policy bundle's data.json is not a JSON object.");
  return { bytes: new Uint8Array(content).buffer, actions: actionsIn(data as JsonObject) };
};

const moduleOf = async (files: BundleFiles): Promise<Module> => {
  const wasm = files.get('policy.wasm');
  if (!wasm) throw new PolicyError('The policy bundle has no policy.wasm: build it with `verdict policy build`, or `opa build -t wasm`.');
  try {
    return await compile(wasm);
  } catch (error) {
    throw new PolicyError(`The policy bundle's policy.wasm is not a WASM module: ${sayThrown(error)}.`);
  }
};

/** Names that fit into a sentence. */
const some = (names: readonly string[]): string => (names.length > 20 ? `${names.slice(0, 20).join(', ')} and ${names.length - 20} more` : names.join(', '));

/** The entrypoints of a module that this host can run. */
const probe = (instance: Instance, source: PolicySource): Readonly<Record<string, number>> => {
  const missing = requiredBuiltins(instance).filter((name) => !SDK_BUILTINS.includes(name) && !Object.hasOwn(source.builtins ?? {}, name));
  if (missing.length > 0) throw new PolicyError(`The policy bundle calls builtins that don't exist inside WASM: ${some(missing)}.`);
  const { entrypoints } = instance;
  if (!Object.hasOwn(entrypoints, source.entrypoint))
    throw new PolicyError(`The policy bundle has no entrypoint ${source.entrypoint} (policy.entrypoint); it has ${some(Object.keys(entrypoints))}.`);
  return entrypoints;
};

const tryToStart = <T>(what: string, start: () => T): T => {
  try {
    return start();
  } catch (thrown) {
    throw new PolicyError(`The policy bundle's ${what}: ${sayThrown(thrown)}.`);
  }
};

/** Falsy inputs are no input at all to the SDK, unless they come as JSON bytes. */
const asInput = (input: Json | ArrayBuffer | undefined): unknown =>
  input || input === undefined ? input : new TextEncoder().encode(JSON.stringify(input)).buffer;

/**
 * Loads a bundle made by `verdict policy build` or `opa build -t wasm`. Rejects with {@link PolicyError}, in one sentence, if it can't be used.
 * Whatever goes wrong in an evaluation, its instance is not used again: the next one starts on a fresh one.
 */
export const loadPolicy = async (source: PolicySource): Promise<Policy> => {
  const files = await readBundle(await bytesOf(source));
  const data = dataOf(files);
  const module = await moduleOf(files);
  const fresh = (): Instance => instantiate(module, source.memoryPages, source.builtins ?? {});
  const entrypoints = probe(tryToStart("policy.wasm doesn't start", fresh), source);
  const start = (): Instance => {
    const ready = fresh();
    ready.setData(data.bytes);
    return ready;
  };

  let instance: Instance | undefined = tryToStart("data can't be loaded", start);
  const evaluate = (entrypoint: number, input: unknown): readonly { readonly result: unknown }[] => {
    const current = instance ?? start();
    instance = undefined;
    const results = current.evaluate(input, entrypoint);
    instance = current;
    return results;
  };

  const decision = entrypoints[source.entrypoint] as number;
  return {
    revision: revisionOf(files),
    entrypoints: Object.keys(entrypoints).sort(),
    actions: data.actions,
    decide: (input) => {
      try {
        const [first] = evaluate(decision, input);
        return first ? toAnswer(first.result) : failedAnswer('The policy has no answer to this question: its entrypoint is undefined.');
      } catch (thrown) {
        return failedAnswer(`The policy failed: ${sayThrown(thrown)}.`);
      }
    },
    query: (entrypoint, input) => {
      const id = Object.hasOwn(entrypoints, entrypoint) ? entrypoints[entrypoint] : undefined;
      if (id === undefined) throw new PolicyError(`The policy has no entrypoint ${entrypoint}.`);
      try {
        return evaluate(id, asInput(input))[0]?.result as Json | undefined;
      } catch (thrown) {
        throw new PolicyError(`The policy failed: ${sayThrown(thrown)}.`);
      }
    },
  };
};
