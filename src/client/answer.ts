import type { Page } from './search.js';
import { type Decision, type Json, type Questions, type Reason, type Recorded, VerdictError } from './types.js';

type Members = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const unreadable = (what: string): VerdictError => new VerdictError('client.answer', `The answer is not one of Verdict's: ${what}.`);

const isReason = (value: unknown): value is Reason => isObject(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string';

/** What was wrong with one question of several stands in its place (AuthZEN 1.0, section 7.2.1). */
const errorIn = (context: Members): VerdictError | undefined => {
  const { error } = context;
  if (!isObject(error)) return undefined;
  const status = typeof error['status'] === 'number' ? error['status'] : undefined;
  return new VerdictError('question.refused', textOf(error['message']) ?? 'The question was refused.', status);
};

/** Reads an answer to a question. Only a `decision` that is `true` allows; without a boolean there it is no answer, and throws. */
export const readDecision = (answer: unknown): Decision => {
  if (!isObject(answer) || typeof answer['decision'] !== 'boolean') throw unreadable('it has no decision');
  const context = isObject(answer['context']) ? answer['context'] : {};
  const error = errorIn(context);
  const [id, policy] = [textOf(context['id']), textOf(context['policy'])];
  return {
    decision: answer['decision'] && !error,
    reasons: error ? [{ code: error.code, message: error.message }] : listOf(context['reasons']).filter(isReason),
    advice: listOf(context['advice']) as readonly Json[],
    cached: false,
    ...(id !== undefined && { id }),
    ...(policy !== undefined && { policy }),
    ...(error && { error }),
  };
};

/** Whether Verdict decided it, and did not only refuse the question. */
export const isDecided = ({ error, policy }: Decision): boolean => error === undefined && policy !== undefined;

/** Reads the answers to several questions: as many as were asked, or fewer where the semantic may stop early. */
export const readDecisions = (answer: unknown, { evaluations, options }: Questions): readonly Decision[] => {
  const given = isObject(answer) ? answer['evaluations'] : undefined;
  if (!Array.isArray(given)) throw unreadable('it has no evaluations');
  const mayStop = options?.evaluations_semantic !== undefined && options.evaluations_semantic !== 'execute_all';
  if (given.length > evaluations.length || (given.length < evaluations.length && !(mayStop && given.length > 0)))
    throw unreadable(`${evaluations.length} questions were asked, and ${given.length} answered`);
  return given.map(readDecision);
};

/** Reads one page of a search (AuthZEN 1.0, section 8.2.2). */
export const readPage = <T>(answer: unknown, isFound: (value: unknown) => value is T): Page<T> => {
  const results = isObject(answer) ? answer['results'] : undefined;
  if (!Array.isArray(results) || !results.every(isFound)) throw unreadable('it has no results');
  const page = isObject(answer) && isObject(answer['page']) ? answer['page'] : {};
  return { results, next: textOf(page['next_token']) };
};

const isRecorded = (value: unknown): value is Recorded => isObject(value) && typeof value['id'] === 'string';

/** Reads where recorded events stand. */
export const readRecorded = (answer: unknown): readonly Recorded[] => {
  const data = isObject(answer) && isObject(answer['data']) ? answer['data'] : {};
  const { events } = data;
  if (!Array.isArray(events) || !events.every(isRecorded)) throw unreadable('it does not say what was recorded');
  return events;
};
