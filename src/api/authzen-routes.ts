import {
  decisionSchema,
  decisionsSchema,
  evaluationSchema,
  evaluationsSchema,
  type Reply,
  readEvaluation,
  readEvaluations,
  refusalsAmong,
  replyEvaluation,
  replyEvaluations,
} from './authzen.js';
import { DECISION_BYTES } from './body.js';
import { type Answer, type Ask, failed, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';

/** AuthZEN 1.0. The listener may serve the two evaluation routes before Hono sees them, with the same functions. */
export const authzenRoutes = (deps: ApiDeps): readonly Route[] => {
  const byOf = (ask: Ask) => ({ caller: ask.caller, address: ask.address, requestId: ask.requestId });

  const evaluate = async (ask: Ask, question: Parameters<ApiDeps['decide']['evaluate']>[0]): Promise<Answer> => {
    const outcome = await deps.decide.evaluate(question, byOf(ask));
    await refuse(ask, refusalsAmong([outcome]));
    return toAnswer(replyEvaluation(outcome, ask.requestId));
  };

  const refuse = async (ask: Ask, found: ReturnType<typeof refusalsAmong>): Promise<void> => {
    for (const { code, account } of found)
      await deps.refused(ask.caller, {
        address: ask.address,
        code,
        path: ask.incoming.url?.split('?', 1)[0] ?? '',
        requestId: ask.requestId,
        permission: 'decision.evaluate',
        ...(account !== undefined && { account }),
      });
  };

  return [
    route(
      {
        method: 'POST',
        path: '/access/v1/evaluation',
        operation: 'evaluate',
        tag: 'decide',
        summary: 'May this subject do this action on this resource? (AuthZEN 1.0, section 6)',
        description: 'The answer leaves only after its record is on disk.',
        permission: 'decision.evaluate',
        body: { limit: DECISION_BYTES, as: 'bytes', type: 'handler', content: { 'application/json': evaluationSchema } },
        answers: { 200: { description: 'The decision, a deny as well.', content: { 'application/json': decisionSchema } } },
      },
      async (ask) => {
        const read = readEvaluation(ask.bytes, ask.header('content-type'));
        return read.ok ? evaluate(ask, read.question) : failed(read.problem);
      },
    ),
    route(
      {
        method: 'POST',
        path: '/access/v1/evaluations',
        operation: 'evaluateMany',
        tag: 'decide',
        summary: 'Several questions at once, with defaults (AuthZEN 1.0, section 7).',
        permission: 'decision.evaluate',
        body: { limit: DECISION_BYTES, as: 'bytes', type: 'handler', content: { 'application/json': evaluationsSchema } },
        answers: {
          200: { description: 'The decisions in order; or a single one, if there was no `evaluations`.', content: { 'application/json': decisionsSchema } },
        },
      },
      async (ask) => {
        const read = readEvaluations(ask.bytes, ask.header('content-type'));
        if (!read.ok) return failed(read.problem);
        if (read.kind === 'one') return evaluate(ask, read.question);
        const outcomes = await deps.decide.evaluations(read.items, read.semantic, byOf(ask));
        await refuse(ask, refusalsAmong(outcomes));
        return toAnswer(replyEvaluations(outcomes, ask.requestId));
      },
    ),
  ];
};

/** A reply as a route's answer. */
export const toAnswer = (reply: Reply): Answer => ({ kind: 'text', status: reply.status, contentType: reply.contentType, text: reply.body });
