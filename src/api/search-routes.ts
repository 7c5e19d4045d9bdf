import type { SearchKind } from '../evaluate/index.js';
import { toAnswer } from './authzen-routes.js';
import { DECISION_BYTES } from './body.js';
import { failed, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';
import { foundSchema, readSearch, replySearch, searchSchemas } from './search.js';

const SUMMARIES: Readonly<Record<SearchKind, string>> = {
  subject: 'Which subjects may do this action on this resource? (AuthZEN 1.0, section 8.4)',
  resource: 'On which resources may this subject do this action? (AuthZEN 1.0, section 8.5)',
  action: 'Which actions may this subject do on this resource? (AuthZEN 1.0, section 8.6)',
};

const searchRoute = (kind: SearchKind, deps: ApiDeps): Route =>
  route(
    {
      method: 'POST',
      path: `/access/v1/search/${kind}`,
      operation: `search${kind.charAt(0).toUpperCase()}${kind.slice(1)}`,
      tag: 'decide',
      summary: SUMMARIES[kind],
      description:
        'Of what the directory knows and the credential may ask about, exactly those for whom a single evaluation would be true. Recorded as one event.',
      permission: 'decision.evaluate',
      body: { limit: DECISION_BYTES, as: 'bytes', type: 'handler', content: { 'application/json': searchSchemas[kind] } },
      answers: { 200: { description: '`page.next_token` leads on until it is empty.', content: { 'application/json': foundSchema(kind) } } },
    },
    async (ask) => {
      const { caller, address, requestId } = ask;
      const read = readSearch(kind, ask.bytes, ask.header('content-type'), caller.id);
      if (!read.ok) return failed(read.problem);
      const outcome = await deps.search(read.search, { caller, address, requestId });
      if (outcome.kind !== 'forbidden') return toAnswer(replySearch(read.search, outcome, caller.id, requestId));
      const { code, message, account } = outcome;
      return { kind: 'refused', problem: problem(403, code, message), permission: 'decision.evaluate', ...(account !== undefined && { account }) };
    },
  );

/** AuthZEN 1.0's search, section 8. */
export const searchRoutes = (deps: ApiDeps): readonly Route[] => [searchRoute('subject', deps), searchRoute('resource', deps), searchRoute('action', deps)];
