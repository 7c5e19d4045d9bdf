/** A term of Rego as OPA writes it into JSON: `{"type":"string","value":"a"}`, `{"type":"var","value":"x"}`, … */
type Term = { readonly type: string; readonly value?: unknown };

/** A rule as it stands in the trace, as far as it is read: its name, and what it gives. */
type Rule = {
  readonly head?: { readonly ref: readonly Term[]; readonly args?: readonly Term[]; readonly key?: Term; readonly value?: Term };
};

/** One step of `opa eval --explain=full --var-values --format json`. */
export type TraceEvent = {
  readonly Op: string;
  readonly ParentID: number;
  readonly Node: Rule | readonly unknown[] | null;
  readonly Location: { readonly file: string; readonly row: number } | null;
  readonly Locals: readonly (Term & { readonly name: string })[] | null;
};

/** A rule that came out: where it stands, and the values that it gave. A function's value is made for whoever calls it. */
export type Success = {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly isFunction: boolean;
  /** Nobody but the query itself asked for it: it is the entrypoint. */
  readonly isEntrypoint: boolean;
  readonly values: readonly unknown[];
};

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The JSON of a term, its variables replaced by what they stood for; undefined for what is not known. */
const plain = ({ type, value }: Term, locals: ReadonlyMap<string, Term>): unknown => {
  switch (type) {
    case 'null':
      return null;
    case 'array':
    case 'set':
      return (value as readonly Term[]).map((one) => plain(one, locals));
    case 'object':
      return Object.fromEntries((value as readonly (readonly [Term, Term])[]).map(([key, one]) => [asText(plain(key, locals)), plain(one, locals)]));
    case 'var': {
      const known = locals.get(value as string);
      return known && known.type !== 'var' ? plain(known, locals) : undefined;
    }
    default:
      return typeof value === 'object' ? undefined : value;
  }
};

const successOf = ({ Node, Location, Locals, ParentID }: TraceEvent): Success | undefined => {
  const head = Node && 'head' in Node ? Node.head : undefined;
  if (!head || !Location) return undefined;
  const locals = new Map((Locals ?? []).map((one) => [one.name, one]));
  return {
    rule: head.ref.map(({ value }) => asText(value)).join('.'),
    file: Location.file,
    line: Location.row,
    isFunction: head.args !== undefined,
    isEntrypoint: ParentID === 0,
    values: [head.key, head.value].filter((term) => term !== undefined).map((term) => plain(term, locals)),
  };
};

/** The rules that came out, in the order in which they did: what a rule rests on stands before it. */
export const successesIn = (trace: readonly TraceEvent[]): readonly Success[] =>
  trace
    .filter(({ Op }) => Op === 'Exit')
    .map(successOf)
    .filter((one) => one !== undefined);
