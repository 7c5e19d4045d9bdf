import { createRequire } from 'node:module';

/** A compiled policy.wasm, from which instances are made. */
export type Module = { readonly __module: unique symbol };

/** One running policy: its memory holds the bundle's data, and each evaluation's input and result above it. */
export type Instance = {
  /** Entrypoint (`verdict/decision`) → its number. */
  readonly entrypoints: Readonly<Record<string, number>>;
  readonly evaluate: (input: unknown, entrypoint: number) => readonly { readonly result: unknown }[];
  readonly setData: (json: ArrayBuffer) => void;
  readonly mem: { readonly buffer: ArrayBuffer };
  readonly wasmInstance: { readonly exports: { readonly builtins: () => number; readonly opa_json_dump: (address: number) => number } };
};

/** Functions that a policy may call by the name of an OPA builtin. They must answer by their arguments alone. */
export type Builtins = { readonly [name: string]: (...args: never[]) => unknown };

type Sdk = { readonly loadPolicySync: (module: Module, memory: { initial: number; maximum: number }, builtins: Builtins) => Instance };

// The types that the SDK ships for ESM declare names that its ESM file doesn't export, and the ones of
// WebAssembly come with the browser's library only: so both are declared here, as far as they are used.
const sdk = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as Sdk;
declare const WebAssembly: { readonly compile: (bytes: Uint8Array) => Promise<Module>; readonly LinkError: new () => Error };

/** The builtins that the SDK itself brings, beside those compiled into WASM. */
export const SDK_BUILTINS: readonly string[] = ['json.is_valid', 'regex.split', 'sprintf', 'yaml.is_valid', 'yaml.marshal', 'yaml.unmarshal'];

/** Pages of 64 KiB that an instance starts with. */
const FIRST_PAGES = 5;

/** Compiles policy.wasm. Rejects with an Error if the bytes are not a WASM module. */
export const compile = (bytes: Uint8Array): Promise<Module> => WebAssembly.compile(bytes);

/**
 * A fresh instance that may grow to `pages` of 64 KiB. Throws errors, bare strings and plain objects (say them with {@link sayThrown}).
 * A module with much text in it asks for more memory than the SDK starts with: it gets all that it may have.
 */
export const instantiate = (module: Module, pages: number, builtins: Builtins): Instance => {
  try {
    return sdk.loadPolicySync(module, { initial: FIRST_PAGES, maximum: pages }, builtins);
  } catch (error) {
    if (!(error instanceof WebAssembly.LinkError)) throw error;
    return sdk.loadPolicySync(module, { initial: pages, maximum: pages }, builtins);
  }
};

/** The builtins that this module asks its host for. It moves the instance's heap: ask one that is thrown away. */
export const requiredBuiltins = (instance: Instance): readonly string[] => {
  const { builtins, opa_json_dump } = instance.wasmInstance.exports;
  const start = opa_json_dump(builtins());
  const memory = Buffer.from(instance.mem.buffer);
  const text = memory.toString('utf8', start, memory.indexOf(0, start));
  return Object.keys(JSON.parse(text) as object).sort();
};

const MAX_SAID = 200;

/** One line for whatever the SDK or WASM threw: an Error, a bare string or an object with a message. */
export const sayThrown = (thrown: unknown): string => {
  const message = typeof thrown === 'string' ? thrown : (thrown as { message?: unknown } | null)?.message;
  const line = typeof message === 'string' ? message.split('\n', 1)[0]?.trim() : '';
  return (line || 'no message').slice(0, MAX_SAID);
};
