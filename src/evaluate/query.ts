import { setImmediate as nextTurn } from 'node:timers/promises';
import { type EventDraft, isObject, type Json, type JsonObject, type Reason, textWithoutSecrets } from '../event/index.js';
import { type AccountFound, accountOf } from './account.js';
import { type DecideDeps, denialBefore } from './decide.js';
import { alertDrafts, type Ruling } from './draft.js';
import { type AskedBy, type Built, buildInput, type Clock, type Forbidden, forbiddenTo, type Situation, situationOf } from './input.js';
import { inputJson } from './input-json.js';
import type { Policy } from './policy-types.js';
import { entrypointFor, type Place, type Ruled, ruledBy } from './query-answer.js';
import { questionQueryDraft, rawQueryDraft } from './query-draft.js';
import type { Question } from './question.js';
import { clockOf, recorder, TOO_LARGE, type TooLarge, TURN_MS } from './recording.js';

/** What is put to a policy: a question (with members of its own beside it), or any other JSON; undefined: no input at all. */
export type QueryInput =
  | { readonly kind: 'question'; readonly question: Question; readonly more?: JsonObject }
  | { readonly kind: 'raw'; readonly input: Json | undefined };

/** One query of a bundle, as OPA's data API asks it. */
export type PolicyQuery = {
  /** The document asked for, `app/authz/allow`: 1–256 characters, none of them a control character. */
  readonly path: string;
  readonly asked: QueryInput;
};

/** `id` is the record's. */
export type QueryOutcome =
  | {
      readonly kind: 'answered';
      readonly id: string;
      /** The result as JSON text; undefined where the policy has none. */
      readonly json: string | undefined;
      readonly policy: string;
      readonly microseconds: number;
    }
  /** Recorded as a deny. No result stands for it: what reads as a deny depends on the policy. */
  | { readonly kind: 'failed'; readonly id: string; readonly reason: Reason }
  | Forbidden
  | TooLarge;

export type Query = {
  /** Answers one query; resolves when its record is durable. Rejects with JournalUnavailable when it can't be recorded. */
  readonly one: (query: PolicyQuery, by: AskedBy) => Promise<QueryOutcome>;
  /** Answers queries in order, by one policy, recorded in one commit. */
  readonly many: (queries: readonly PolicyQuery[], by: AskedBy) => Promise<readonly QueryOutcome[]>;
};

type Judged = { readonly outcome: QueryOutcome & { readonly id: string }; readonly drafts: readonly EventDraft[] };

/** A query made ready: what the policy is given, and how its record is made. */
type Ready = {
  readonly found: AccountFound;
  readonly input: () => Json | ArrayBuffer | undefined;
  readonly draft: (recorded: Recorded) => EventDraft;
};

type Recorded = { readonly path: string; readonly ruling: Ruling; readonly document: JsonObject | undefined };

/** Members of an input that only Verdict writes. */
const VERDICTS_OWN = new Set(['directory', 'facts']);

/** The input without what only Verdict may say: `directory`, `facts`, and claims in `context` that the caller may not make. */
const cleaned = (input: Json | undefined, situation: Situation | undefined): Json | undefined => {
  if (!isObject(input)) return input;
  const kept = Object.entries(input).filter(([name]) => !VERDICTS_OWN.has(name));
  return { ...Object.fromEntries(kept), ...(situation && { context: situation.context }) };
};

/** Puts queries to a bundle's entrypoints, and makes the record: the same as that of a question where the input is one. */
export const createQuery = (deps: DecideDeps): Query => {
  const clock = clockOf(deps.now ?? Date.now);
  const record = recorder(deps.append);

  const questionReady = (asked: Extract<QueryInput, { kind: 'question' }>, by: AskedBy, started: Clock): Ready | Forbidden => {
    const built: Built | Forbidden = buildInput(deps, asked.question, by, started);
    if (built.kind === 'forbidden') return built;
    return {
      found: built.found,
      input: () => inputJson(built.input, asked.more),
      draft: ({ path, ruling, document }) => {
        const { question, more } = asked;
        return questionQueryDraft({ question, more, by, built, path, ruling, document, timestamp: started.text, region: deps.region });
      },
    };
  };

  const rawReady = (path: string, given: Json | undefined, by: AskedBy, started: Clock): Ready | Forbidden => {
    const context = isObject(given) && isObject(given['context']) ? given['context'] : undefined;
    const resource = { type: 'policy', id: path };
    const found = accountOf({ subject: resource, action: { name: '' }, resource, ...(context && { context }) }, undefined, by.caller.accounts);
    const account = found.found === 'none' ? undefined : found.account;
    const forbidden = forbiddenTo(deps.guard, by.caller, account);
    if (forbidden) return forbidden;
    const situation = context && situationOf({ context }, by, started, deps.guard);
    const input = cleaned(given, situation);
    return {
      found,
      input: () => input,
      draft: ({ path: shown, ruling, document }) =>
        rawQueryDraft({ path: shown, input, account, by, ruling, document, timestamp: started.text, region: deps.region }),
    };
  };

  const ask = (place: Place | undefined, ready: Ready, policy: Policy): Ruled => {
    const denial = denialBefore(ready.found, deps);
    if (denial) return { kind: 'failed', reason: denial };
    if (!place) return ruledBy(undefined, []);
    try {
      return ruledBy(policy.query(place.entrypoint, ready.input()), place.rest);
    } catch (error) {
      return { kind: 'failed', reason: { code: 'policy.error', message: (error as Error).message } };
    }
  };

  const judge = ({ path, asked }: PolicyQuery, by: AskedBy, policy: Policy): Judged | Forbidden => {
    const started = clock();
    const ready = asked.kind === 'question' ? questionReady(asked, by, started) : rawReady(path, asked.input, by, started);
    if ('kind' in ready) return ready;
    const begun = performance.now();
    const place = entrypointFor(policy, path);
    const ruled = ask(place, ready, policy);
    const microseconds = Math.round((performance.now() - begun) * 1000);
    const answer = ruled.kind === 'failed' ? { allow: false, reasons: [ruled.reason], advice: [] } : ruled.answer;
    deps.observe?.(answer.allow);
    const draft = ready.draft({
      // The name of an entrypoint is the policy's own; anything may stand in another path.
      path: place && place.rest.length === 0 ? path : textWithoutSecrets(path),
      ruling: { answer, policy: policy.revision, microseconds },
      document: ruled.kind === 'answered' ? ruled.document : undefined,
    });
    const drafts = [draft, ...alertDrafts(draft, answer.advice)];
    if (ruled.kind === 'failed') return { outcome: { kind: 'failed', id: draft.id, reason: ruled.reason }, drafts };
    return { outcome: { kind: 'answered', id: draft.id, json: ruled.json, policy: policy.revision, microseconds }, drafts };
  };

  return {
    one: async (query, by) => {
      const judged = judge(query, by, deps.policy());
      if (!('drafts' in judged)) return judged;
      const tooLarge = await record(judged.drafts);
      return tooLarge.size > 0 ? TOO_LARGE : judged.outcome;
    },
    many: async (queries, by) => {
      const policy = deps.policy();
      const judged: (Judged | Forbidden)[] = [];
      let turn = performance.now();
      for (const query of queries) {
        if (performance.now() - turn > TURN_MS) {
          await nextTurn();
          turn = performance.now();
        }
        judged.push(judge(query, by, policy));
      }
      const tooLarge = await record(judged.flatMap((one) => ('drafts' in one ? one.drafts : [])));
      return judged.map((one) => {
        if (!('drafts' in one)) return one;
        return tooLarge.has(one.outcome.id) ? TOO_LARGE : one.outcome;
      });
    },
  };
};
