import { KEY_TYPE } from '../caller/index.js';
import { eventParts, type JsonObject } from '../event/index.js';
import { type AccountEntities, FINDING_CODES, gatherAccount, isNothing, type Review, reviewCsv, reviewOf, shippedDocuments } from '../review/index.js';
import { type LastUseRow, type LastUses, retentionDays } from '../store/index.js';
import { fromStore, recordRead } from './audit-logs.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const DAY_MS = 86_400_000;

const text = { type: 'string' } as const;
const textOrNull = { type: ['string', 'null'] } as const;
const timeOrNull = { type: ['string', 'null'], format: 'date-time' } as const;

const grantSchema = {
  title: 'Grant',
  type: 'object',
  required: ['holder', 'name', 'kind', 'what', 'via', 'since', 'ends', 'last_used', 'findings'],
  additionalProperties: false,
  properties: {
    holder: { ...textOrNull, description: '`user/usr-2`, `key:<id>`; null: nobody.' },
    name: { ...textOrNull, description: "The holder's e-mail address or name." },
    kind: { enum: ['role', 'auditor', 'membership', 'acl', 'iam', 'token', 'key'] },
    what: { ...text, description: 'What it allows, in words.' },
    via: { ...text, description: 'The entity it rests on, and the group where it is held through one.' },
    since: timeOrNull,
    ends: timeOrNull,
    last_used: { ...timeOrNull, description: 'The last allowed decision that rested on it; null: none since `used_since`.' },
    findings: {
      type: 'array',
      items: { type: 'object', required: ['code', 'message'], additionalProperties: false, properties: { code: { enum: FINDING_CODES }, message: text } },
    },
  },
} as const;

const reviewSchema = {
  type: 'object',
  required: ['data'],
  additionalProperties: false,
  properties: {
    data: {
      title: 'Review',
      type: 'object',
      required: ['account', 'reviewed', 'used_since', 'grants'],
      additionalProperties: false,
      properties: {
        account: text,
        reviewed: { type: 'string', format: 'date-time' },
        used_since: { type: 'string', format: 'date-time', description: 'How far back uses were looked for.' },
        grants: { type: 'array', items: grantSchema },
      },
    },
  },
} as const;

/** The access review of an account. It is an event itself. */
export const reviewRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'GET',
      path: '/v1/entities/review',
      operation: 'reviewAccess',
      tag: 'directory',
      summary: 'Who holds what in an account, by which grant, when each was last used, and what to look at.',
      permission: 'audit.read',
      query: {
        required: ['account'],
        properties: { account: eventParts.account, format: { enum: ['json', 'csv'], description: 'json where it is absent.' } },
      },
      answers: {
        200: {
          description: 'The review, by holder.',
          content: { 'application/json': reviewSchema, 'text/csv': { type: 'string' } },
          headers: ['Content-Disposition'],
        },
      },
    },
    (ask) => answerReview(ask, deps),
  ),
];

const answerReview = async (ask: Ask, deps: ApiDeps): Promise<Answer> => {
  const account = ask.query['account'] as string;
  const refusal = deps.guard(ask.caller, 'audit.read', account);
  if (refusal) return { kind: 'refused', account, problem: problem(403, refusal.code, refusal.message) };
  const now = (deps.now ?? Date.now)();
  const entities = await gatherAccount(deps.directory, account, ask.caller);
  if (isNothing(entities)) return failed(problem(404, 'account.unknown', `The directory has nothing of account ${account}.`));
  const found = await fromStore(deps, ask, () => usesOf(entities, ask, deps, now));
  if (!found.ok) return found.answer;
  const review = reviewOf(entities, found.value, now);
  const format = ask.query['format'] ?? 'json';
  await recordRead(deps, ask, { action: 'entity.review', reach: [account], resource: { type: 'account', id: account }, details: recordOf(review, format) });
  return format === 'csv' ? csvAnswer(review) : json({ data: review });
};

/** The uses that the store has, over the time that the account's events are kept, and those of API keys that this node has seen. */
const usesOf = async (entities: AccountEntities, ask: Ask, deps: ApiDeps, now: number): Promise<LastUses> => {
  const from = now - retentionDays(entities.entity?.properties ?? {}) * DAY_MS;
  const { rows, ...looked } = await deps.audit.lastUses({ account: entities.account, from, documents: shippedDocuments(entities) });
  const keys = deps.keys.list(ask.caller).flatMap(({ id, last_used }): readonly LastUseRow[] => {
    const time = typeof last_used === 'string' ? Date.parse(last_used) : Number.NaN;
    return time >= from ? [{ who: '', grant: `${KEY_TYPE}/${id}`, last_used: time }] : [];
  });
  return { ...looked, rows: [...rows, ...keys] };
};

/** What the event says of a review: how much was found, and nobody by name. */
const recordOf = ({ grants, used_since }: Review, format: string): JsonObject => {
  const codes = grants.flatMap(({ findings }) => findings.map(({ code }) => code));
  const counts = FINDING_CODES.map((code) => [code, codes.filter((one) => one === code).length] as const).filter(([, count]) => count > 0);
  return { format, used_since, grants: grants.length, findings: Object.fromEntries(counts) };
};

const csvAnswer = (review: Review): Answer => ({
  kind: 'text',
  status: 200,
  contentType: 'text/csv; charset=utf-8; header=present',
  text: reviewCsv(review),
  headers: { 'content-disposition': `attachment; filename="access-review-${review.reviewed.slice(0, 10)}.csv"` },
});
