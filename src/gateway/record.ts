import { type EventDraft, EventTooLarge, newEventId, pathWithoutSecrets, type Result, SYSTEM_ACCOUNT, textWithoutSecrets } from '../event/index.js';
import type { About, Act, Exchange, GatewayDeps, RouteMatch } from './types.js';

/** Decisions that an event names; a bulk request's further ones are found by its request id. */
const MOST_DECISIONS = 100;
const MOST_PATH = 4_096;
const MOST_ID = 256;
const MOST_USER_AGENT = 1_024;

const ANYBODY = { type: 'anonymous', id: 'anonymous' } as const;

/** What came of a request: the status it is answered with and, where the gateway itself says so, why. */
export type Ending = {
  readonly status: number;
  readonly result?: Result;
  readonly code?: string;
  readonly message?: string;
};

/** What a status means for the record: 1xx to 3xx a success, 4xx a failure of the caller's, 5xx an error. */
export const resultOf = (status: number): Result => (status < 400 ? 'success' : status < 500 ? 'failure' : 'error');

const shortId = (text: string): string => textWithoutSecrets(text).slice(0, MOST_ID);

/** A request of which nothing is known yet but what it says itself. */
export const unknownAbout = ({ request, method, target, address }: Exchange): About => {
  const userAgent = request.headers['user-agent'];
  return {
    actor: { ...ANYBODY, ...(address !== '' && { ip: address }), ...(userAgent && { user_agent: textWithoutSecrets(userAgent).slice(0, MOST_USER_AGENT) }) },
    action: 'gateway.request',
    acts: [{ account: SYSTEM_ACCOUNT, resource: { type: 'route', id: shortId(`${method} ${target.split('?', 1)[0]}`) }, decisions: [] }],
  };
};

/** A request whose route is known. */
export const matchedAbout = (about: About, { route }: RouteMatch): About => ({
  ...about,
  route: route.name,
  acts: [{ ...about.acts[0], resource: { type: 'route', id: shortId(route.name) } }],
});

const detailsOf = (about: About, { decisions, resources }: Act, { code, message }: Ending) => ({
  ...about.details,
  ...(about.route !== undefined && { route: about.route }),
  ...(code !== undefined && { code }),
  ...(message !== undefined && { message }),
  ...(resources !== undefined && { resources }),
  ...(decisions.length > 1 && { decisions: decisions.slice(0, MOST_DECISIONS), asked: decisions.length }),
});

const draftOf = (exchange: Exchange, about: About, act: Act, ending: Ending, deps: Pick<GatewayDeps, 'now' | 'region'>): EventDraft => ({
  id: newEventId(),
  timestamp: new Date(deps.now()).toISOString(),
  account: act.account,
  kind: 'activity',
  actor: about.actor,
  action: about.action,
  resource: act.resource,
  result: ending.result ?? resultOf(ending.status),
  details: detailsOf(about, act, ending),
  ...(act.decisions[0] !== undefined && { caused_by: act.decisions[0] }),
  request: {
    id: exchange.id,
    method: exchange.method,
    path: pathWithoutSecrets(exchange.target).slice(0, MOST_PATH),
    status: ending.status,
    duration_ms: Math.round((performance.now() - exchange.begun) * 1000) / 1000,
  },
  ...(deps.region !== '' && { region: deps.region }),
  source: 'gateway',
});

/**
 * Makes a request's ending durable: one activity event, or one for each account that a bulk request concerned. Rejects
 * with JournalUnavailable. What would be too large for a record is recorded without its details.
 */
export const record = async (exchange: Exchange, about: About, ending: Ending, deps: Pick<GatewayDeps, 'append' | 'now' | 'region'>): Promise<void> => {
  const drafts = about.acts.map((act) => draftOf(exchange, about, act, ending, deps));
  try {
    await deps.append(drafts);
  } catch (error) {
    if (!(error instanceof EventTooLarge)) throw error;
    await deps.append(drafts.map(({ details: _details, ...draft }) => draft));
  }
};
