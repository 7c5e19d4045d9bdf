import { shownLine } from '../export/index.js';
import { fromStore, recordRead } from './audit-logs.js';
import { PLAIN_BYTES } from './body.js';
import { json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const quarantined = {
  type: 'object',
  required: ['id', 'reason', 'at', 'line'],
  properties: {
    id: { type: 'string' },
    reason: { type: 'string' },
    at: { type: 'string' },
    line: { type: 'string', description: 'The bytes, as text.' },
    source: { type: 'object', description: 'Where it stood: a log, or a topic.' },
  },
} as const;
/** The most that are offered again in one request. */
const AT_ONCE = 1_000;
const wrap = (schema: object) => ({ type: 'object', required: ['data'], properties: { data: schema } }) as const;
const replayBody = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ids: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 256 },
      minItems: 1,
      maxItems: AT_ONCE,
      description: 'Which; the oldest 1,000, where it is absent.',
    },
  },
} as const;

/** Events that were set aside: seen and put on their way again by those who run Verdict. They are of every account. */
export const quarantineRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'GET',
      path: '/v1/quarantine',
      operation: 'listQuarantine',
      tag: 'operate',
      summary: 'Events that were set aside, oldest first, with the reason.',
      permission: 'operate',
      query: {
        properties: {
          limit: { type: 'string', pattern: '^([1-9]\\d{0,2}|1000)$', description: '1–1000; 100 where it is absent.' },
          cursor: { type: 'string', minLength: 1, maxLength: 256 },
        },
      },
      answers: {
        200: {
          description: 'A page.',
          content: {
            'application/json': wrap({
              type: 'object',
              required: ['events', 'next_cursor'],
              properties: { events: { type: 'array', items: quarantined }, next_cursor: { type: ['string', 'null'] } },
            }),
          },
        },
      },
    },
    async (ask) => {
      if (ask.caller.accounts !== 'all') return notAll;
      const limit = Number(ask.query['limit'] ?? 100);
      const { cursor } = ask.query;
      const items = await deps.quarantine.list({ limit, ...(cursor !== undefined && { after: cursor }) });
      await recordRead(deps, ask, { action: 'quarantine.read', reach: 'all', details: { rows: items.length } });
      const events = items.map(({ id, reason, at, line, source }) => ({ id, reason, at, line: textOf(line), ...(source && { source }) }));
      const last = events.at(-1);
      return json({ data: { events, next_cursor: events.length === limit && last ? last.id : null } });
    },
  ),
  route(
    {
      method: 'POST',
      path: '/v1/quarantine/replay',
      operation: 'replayQuarantine',
      tag: 'operate',
      summary: 'Puts events that were set aside on their way again.',
      permission: 'operate',
      body: { limit: PLAIN_BYTES, as: 'json', optional: true, content: { 'application/json': replayBody } },
      answers: {
        200: {
          description: 'What became of each.',
          content: {
            'application/json': wrap({
              type: 'object',
              required: ['events'],
              properties: {
                events: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['id', 'outcome'],
                    properties: { id: { type: 'string' }, outcome: { enum: ['accepted', 'refused', 'not_found'] }, reason: { type: 'string' } },
                  },
                },
              },
            }),
          },
        },
      },
    },
    async (ask) => {
      if (ask.caller.accounts !== 'all') return notAll;
      const { ids } = (ask.body ?? {}) as { readonly ids?: readonly string[] };
      const wanted = ids ?? (await deps.quarantine.list({ limit: AT_ONCE })).map(({ id }) => id);
      const replayed = await fromStore(deps, ask, () => deps.quarantine.replay(wanted));
      if (!replayed.ok) return replayed.answer;
      const events = replayed.value;
      const accepted = events.filter(({ outcome }) => outcome === 'accepted').length;
      await recordRead(deps, ask, { action: 'quarantine.replay', reach: 'all', details: { asked: wanted.length, accepted } });
      return json({ data: { events } });
    },
  ),
];

/** An event without its salts; bytes that are no event as they are. */
const textOf = (line: Buffer): string => {
  const text = line.toString('utf8').trimEnd();
  try {
    return text.startsWith('{') ? shownLine(text) : text;
  } catch {
    return text;
  }
};

const notAll = {
  kind: 'refused',
  permission: 'operate',
  problem: problem(403, 'caller.account', 'The quarantine holds events of every account: this takes a credential of all accounts.'),
} as const;
