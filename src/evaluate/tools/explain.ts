import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject, Reason } from '../../event/index.js';
import { PolicyError } from '../bundle.js';
import { toAnswer, UNNAMED } from '../policy-answer.js';
import type { PolicyAnswer } from '../policy-types.js';
import { inOrder } from './in-order.js';
import { type PolicyTask, runOpa, sayFailure } from './opa-run.js';
import { type Success, successesIn, type TraceEvent } from './trace.js';

/** Where a rule stands: `file` within the folder of sources, `line` from 1. */
export type RulePlace = { readonly rule: string; readonly file: string; readonly line: number };

/** One reason or advice of an answer, and the rule that made it; `via` are the rules that passed it on, the entrypoint last. */
export type Contribution = {
  readonly effect: 'granted' | 'denied' | 'advised';
  readonly code: string;
  readonly message: string;
  /** Undefined where no rule of the sources gave it. */
  readonly by: RulePlace | undefined;
  readonly via: readonly RulePlace[];
};

export type Explanation = {
  /** The rule of the entrypoint that gave the answer; undefined where none came out. */
  readonly decided: RulePlace | undefined;
  readonly contributions: readonly Contribution[];
  /** Whether OPA, from the sources, answered as the compiled policy did. */
  readonly agrees: boolean;
};

type Evaluated = {
  readonly result?: readonly { readonly expressions: readonly { readonly value: unknown }[] }[];
  readonly explanation?: readonly TraceEvent[];
};

const refOf = (entrypoint: string): string =>
  `data${entrypoint
    .split('/')
    .map((part) => `[${JSON.stringify(part)}]`)
    .join('')}`;

const evaluate = async (task: PolicyTask, entrypoint: string, input: JsonObject): Promise<Evaluated> => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-explain-'));
  try {
    const file = join(folder, 'input.json');
    await writeFile(file, JSON.stringify(input));
    const how = ['--explain=full', '--var-values', '--format', 'json', '--ignore', '*_test.rego'];
    const ran = await runOpa(task, ['eval', '-b', '.', '-i', file, ...how, refOf(entrypoint)]);
    if (ran.code !== 0) throw new PolicyError(`OPA can't evaluate ${entrypoint} from the policies in ${task.source}: ${sayFailure(ran)}`);
    return JSON.parse(ran.stdout) as Evaluated;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

type Look = (value: unknown) => boolean;
type Coded = { readonly code?: unknown; readonly message?: unknown };

const isReason =
  ({ code, message }: Reason): Look =>
  (value) => {
    // A policy may give its reasons as sentences; where it gives codes, a rule with the sentence alone is only a part of the reason.
    if (typeof value !== 'object' || value === null) return code === UNNAMED && value === message;
    const given = value as Coded;
    return given.code === code && (given.message ?? '') === message;
  };

/** A sentence that lists a set may come out in another order in OPA than in WASM; its code doesn't. */
const hasCode =
  ({ code }: Pick<Contribution, 'code'>): Look =>
  (value) =>
    typeof value === 'object' && value !== null && code !== '' && (value as Coded).code === code;

/** Whether a value is, or holds at any depth, one that `is` looked for. */
const holds = (value: unknown, is: Look): boolean =>
  is(value) || (typeof value === 'object' && value !== null && Object.values(value).some((one) => holds(one, is)));

const placeOf = ({ rule, file, line }: Success): RulePlace => ({ rule, file, line });

const unique = (places: readonly RulePlace[]): readonly RulePlace[] => [...new Map(places.map((one) => [`${one.file}:${one.line}`, one])).values()];

/**
 * The rule that made a value, and those that passed it on. A rule comes out after all that it rests on, so the first
 * that holds the value made it. Functions count only where no rule has it: they make what their callers ask for.
 */
const trail = (successes: readonly Success[], is: Look, otherwise?: Look): Pick<Contribution, 'by' | 'via'> => {
  const holding = successes.filter(({ values }) => values.some((value) => holds(value, is)));
  if (holding.length === 0 && otherwise) return trail(successes, otherwise);
  const rules = holding.filter(({ isFunction }) => !isFunction);
  const [by, ...via] = unique((rules.length > 0 ? rules : holding).map(placeOf));
  return { by, via };
};

const sayAdvice = (advice: Json): Pick<Contribution, 'code' | 'message'> => {
  const { code, message } = (typeof advice === 'object' && advice !== null ? advice : {}) as { readonly code?: unknown; readonly message?: unknown };
  return { code: typeof code === 'string' ? code : '', message: typeof message === 'string' ? message : JSON.stringify(advice) };
};

const explainAdvice = (successes: readonly Success[], advice: Json): Contribution => {
  const said = sayAdvice(advice);
  return { effect: 'advised', ...said, ...trail(successes, (given) => isDeepStrictEqual(given, advice), hasCode(said)) };
};

/**
 * Says which rules made an answer: evaluates the same input with OPA from the sources, and looks in its trace for the
 * rules whose values hold each reason and advice. Rejects with PolicyError if OPA can't evaluate them.
 */
export const explain = async (
  task: PolicyTask,
  { entrypoint, input, answer }: { readonly entrypoint: string; readonly input: JsonObject; readonly answer: PolicyAnswer },
): Promise<Explanation> => {
  const { result, explanation = [] } = await evaluate(task, entrypoint, input);
  const successes = successesIn(explanation);
  const decided = successes.findLast(({ isEntrypoint }) => isEntrypoint);
  const { reasons, advice } = inOrder(answer);
  const effect = answer.allow ? 'granted' : 'denied';
  const value = result?.[0]?.expressions[0]?.value;
  return {
    decided: decided && placeOf(decided),
    contributions: [
      ...reasons.map((reason) => ({ effect, ...reason, ...trail(successes, isReason(reason), hasCode(reason)) }) as const),
      ...advice.map((one) => explainAdvice(successes, one)),
    ],
    agrees: isDeepStrictEqual(inOrder(toAnswer(value)), inOrder(answer)),
  };
};
