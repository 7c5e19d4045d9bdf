import { type EventDraft, type Json, type JsonObject, newEventId, SYSTEM_ACCOUNT, withoutSecrets } from '../event/index.js';
import { decisionDraft, type Ruling } from './draft.js';
import type { AskedBy, Built } from './input.js';
import type { Question } from './question.js';

/** The action of a query whose input is no question. */
export const QUERY_ACTION = 'opa.query';

type Circumstances = {
  /** As it may be recorded. */
  readonly path: string;
  readonly by: AskedBy;
  readonly ruling: Ruling;
  /** What is kept of an answer that is more than a decision: its bytes and SHA-256. */
  readonly document: JsonObject | undefined;
  readonly timestamp: string;
  readonly region: string;
};

const detailsOf = ({ by, path, document }: Circumstances): JsonObject => {
  const caller = by.caller.id;
  return document ? { caller, path, document } : { caller, path };
};

/** The record of a query whose input is a question: the question's own, with the path that was asked and what stood beside the question. */
export const questionQueryDraft = (
  asked: Circumstances & { readonly question: Question; readonly more: JsonObject | undefined; readonly built: Built },
): EventDraft => {
  const { question, more, by, built, ruling, timestamp, region } = asked;
  const draft = decisionDraft(question, by, built, ruling, timestamp, region, detailsOf(asked));
  if (!more || !draft.decision) return draft;
  const recorded = draft.decision.question;
  // Nobody knows what stands in members of a caller's own: all of it is erased with a person.
  const personal = { ...(recorded['personal'] as JsonObject | undefined), input: withoutSecrets(more) };
  return { ...draft, decision: { ...draft.decision, question: { ...recorded, personal } } };
};

/** The record of any other query: the caller asked a policy. The whole input stands where personal data may. */
export const rawQueryDraft = (asked: Circumstances & { readonly input: Json | undefined; readonly account: string | undefined }): EventDraft => {
  const { path, input, account, by, ruling, timestamp, region } = asked;
  const { allow, reasons, advice } = ruling.answer;
  return {
    id: newEventId(),
    timestamp,
    account: account ?? SYSTEM_ACCOUNT,
    kind: 'decision',
    actor: { type: 'credential', id: by.caller.id, ...(by.address !== '' && { ip: by.address }) },
    action: QUERY_ACTION,
    resource: { type: 'policy', id: path },
    result: allow ? 'allowed' : 'denied',
    details: detailsOf(asked),
    decision: {
      allow,
      reasons,
      advice,
      policy: ruling.policy,
      duration_us: ruling.microseconds,
      question: { context: { time: timestamp }, ...(input !== undefined && { personal: { input: withoutSecrets(input) } }) },
      facts: {},
    },
    ...(by.requestId !== '' && { request: { id: by.requestId } }),
    ...(region !== '' && { region }),
    source: 'pdp',
  };
};
