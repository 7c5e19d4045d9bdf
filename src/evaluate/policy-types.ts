import type { Json, Reason } from '../event/index.js';

/** What a policy answered, in Verdict's own form whatever the bundle returned. */
export type PolicyAnswer = { readonly allow: boolean; readonly reasons: readonly Reason[]; readonly advice: readonly Json[] };

/** One loaded bundle, ready to be asked. One evaluation can't see another's input. */
export type Policy = {
  /** The content hash that names the bundle: lower-case hex SHA-256. */
  readonly revision: string;
  readonly entrypoints: readonly string[];
  /** Names of the actions in the bundle's data (`catalogue.actions`, an object by name), in the order of their UTF-8 bytes; none where it has no such data. */
  readonly actions: readonly string[];
  /** Evaluates the configured entrypoint; an ArrayBuffer is the input as JSON, which must be well-formed. Never throws: undefined, a trap or a missing builtin is a deny with reason `policy.error`. */
  readonly decide: (input: object) => PolicyAnswer;
  /** The raw result of an entrypoint, as OPA's data API gives it; undefined where the policy has none. An ArrayBuffer is the input as well-formed JSON. Throws a PolicyError. */
  readonly query: (entrypoint: string, input?: Json | ArrayBuffer) => Json | undefined;
};
