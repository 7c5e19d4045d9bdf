import type { QueryOutcome } from '../evaluate/index.js';

/** An answer ready to be written. */
export type OpaReply = {
  readonly status: number;
  readonly body: string;
  /** The record's id, where the body has no place for it. */
  readonly decisionId?: string;
  readonly allow?: string;
};

/** OPA's codes of errors (its REST API, "Errors"). */
export type OpaCode = 'invalid_parameter' | 'undefined_document' | 'unauthorized' | 'internal_error';

/** What a client asked to be told beside the result. */
export type Wanted = { readonly pretty: boolean; readonly provenance: boolean; readonly metrics: boolean };

type Answered = Extract<QueryOutcome, { readonly kind: 'answered' }>;
type Unanswered = Exclude<QueryOutcome, Answered>;

const MISSING_INPUT = '"warning":{"code":"api_usage_warning","message":"\'input\' key missing from the request"}';
const FAILED = 'error(s) occurred while evaluating query';

/** OPA's own form of an error; `detail` is Verdict's stable code and sentence. */
export const opaError = (status: number, code: OpaCode, message: string, detail?: { readonly code: string; readonly message: string }): OpaReply => ({
  status,
  body: JSON.stringify({ code, message, ...(detail && { errors: [detail] }) }),
});

const codeOf = (status: number): OpaCode => {
  if (status === 401 || status === 403) return 'unauthorized';
  return status < 500 ? 'invalid_parameter' : 'internal_error';
};

/** An error of Verdict's, as OPA would say it. */
export const replyError = (status: number, { code, message }: { readonly code: string; readonly message: string }): OpaReply =>
  opaError(status, codeOf(status), message, { code, message });

/** The status of what has no answer: a deny that Verdict gave before the policy was asked is no fault of the policy. */
const faultOf = (outcome: Unanswered): { readonly status: number; readonly code: string; readonly message: string } => {
  if (outcome.kind === 'forbidden') return { status: 403, code: outcome.code, message: outcome.message };
  if (outcome.kind === 'too_large') return { status: 413, code: 'question.too_large', message: outcome.message };
  const { code, message } = outcome.reason;
  if (code === 'account.mismatch') return { status: 400, code, message };
  return { status: code === 'directory.stale' ? 503 : 500, code, message };
};

const errorBody = (outcome: Unanswered): { readonly status: number; readonly error: object } => {
  const { status, code, message } = faultOf(outcome);
  const said = status === 500 ? FAILED : message;
  return {
    status,
    error: { code: codeOf(status), message: said, errors: [{ code, message }], ...(outcome.kind === 'failed' && { decision_id: outcome.id }) },
  };
};

const replyFault = (outcome: Unanswered): OpaReply => {
  const { status, error } = errorBody(outcome);
  return { status, body: JSON.stringify(error) };
};

/** What a caller wants beside the result, by the parameters of OPA's clients. */
const extrasOf = (outcome: Answered, wanted: Wanted, version: string): string => {
  const provenance = wanted.provenance ? `,"provenance":${JSON.stringify({ version, bundles: { verdict: { revision: outcome.policy } } })}` : '';
  const metrics = wanted.metrics ? `,"metrics":{"timer_rego_query_eval_ns":${outcome.microseconds * 1000}}` : '';
  return provenance + metrics;
};

const resultOf = ({ id, json }: Answered): string => `"decision_id":"${id}"${json === undefined ? '' : `,"result":${json}`}`;

const laidOut = (body: string, { pretty }: Wanted): string => (pretty ? JSON.stringify(JSON.parse(body), null, 2) : body);

/** The answer of `/v1/data`: the result, or none where it is undefined. */
export const replyData = (outcome: QueryOutcome, warns: boolean, wanted: Wanted, version: string): OpaReply => {
  if (outcome.kind !== 'answered') return replyFault(outcome);
  const body = `{${resultOf(outcome)}${extrasOf(outcome, wanted, version)}${warns ? `,${MISSING_INPUT}` : ''}}`;
  return { status: 200, body: laidOut(body, wanted) };
};

/** The answer of `POST /`: the bare document. `path` is the default decision's. */
export const replyDefault = (outcome: QueryOutcome, path: string, wanted: Wanted): OpaReply => {
  if (outcome.kind !== 'answered') return replyFault(outcome);
  if (outcome.json !== undefined) return { status: 200, body: laidOut(outcome.json, wanted), decisionId: outcome.id };
  return { ...opaError(404, 'undefined_document', `document undefined: data.${path.replaceAll('/', '.')}`), decisionId: outcome.id };
};

const itemOf = (outcome: QueryOutcome, isMixed: boolean): string => {
  if (outcome.kind === 'answered') return `{${isMixed ? '"http_status_code":"200",' : ''}${resultOf(outcome)}}`;
  // The two codes are all that clients know in a mixed answer; which fault it was stands in `errors`.
  return JSON.stringify({ ...(isMixed && { http_status_code: '500' }), ...errorBody(outcome).error });
};

const isPolicyFault = (outcome: QueryOutcome): boolean => outcome.kind === 'failed' && faultOf(outcome).status === 500;

/**
 * The answer of a batch: 200 where each input has its result, 500 where the policy failed for every one, else 207. A
 * caller that may ask nothing at all gets a 403. `id` stands for the batch: the request id, which each record carries.
 */
export const replyBatch = (names: readonly string[], outcomes: readonly QueryOutcome[], id: string, wanted: Wanted): OpaReply => {
  const barred = outcomes.find((outcome) => outcome.kind === 'forbidden' && outcome.code === 'caller.permission');
  if (barred && barred.kind !== 'answered') return replyFault(barred);
  const isAnswered = outcomes.every(({ kind }) => kind === 'answered');
  const isFailed = !isAnswered && outcomes.every(isPolicyFault);
  const isMixed = !isAnswered && !isFailed;
  const responses = outcomes.map((outcome, index) => `${JSON.stringify(names[index])}:${itemOf(outcome, isMixed)}`);
  const body = `{"batch_decision_id":${JSON.stringify(id)},"responses":{${responses.join(',')}}}`;
  return { status: isAnswered ? 200 : isFailed ? 500 : 207, body: laidOut(body, wanted) };
};
