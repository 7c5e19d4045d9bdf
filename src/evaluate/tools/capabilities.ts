import { ALLOWED_BUILTINS } from '../builtins.js';
import { PolicyError } from '../bundle.js';
import { type PolicyTask, runOpa, sayFailure } from './opa-run.js';

/** OPA's list of what a policy may use, as `--capabilities` takes it. */
export type Capabilities = { readonly builtins: readonly { readonly name: string }[] };

/** What an OPA knows: all of it, what of it runs inside WASM, and the names of the builtins that don't. */
export type KnownCapabilities = { readonly usable: Capabilities; readonly refused: ReadonlySet<string> };

/** Asks OPA what it knows. Rejects with {@link PolicyError} if it doesn't say. */
export const capabilitiesOf = async (task: PolicyTask): Promise<KnownCapabilities> => {
  const ran = await runOpa(task, ['capabilities', '--current']);
  if (ran.code !== 0) throw new PolicyError(`${task.opa} did not name its capabilities: ${sayFailure(ran)}`);
  const all = JSON.parse(ran.stdout) as Capabilities;
  const usable = { ...all, builtins: all.builtins.filter(({ name }) => ALLOWED_BUILTINS.has(name)) };
  return { usable, refused: new Set(all.builtins.map(({ name }) => name).filter((name) => !ALLOWED_BUILTINS.has(name))) };
};
