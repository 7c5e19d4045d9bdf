import { type EventDraft, type JsonObject, newEventId, SYSTEM_ACCOUNT, textWithoutSecrets } from '../event/index.js';
import type { Directory } from './directory/types.js';
import { type AskedBy, type Situation, visible } from './input.js';
import { asRecorded } from './question.js';
import type { Search } from './search.js';

/** What came of a search, as its event tells it. */
export type SearchTold = {
  /** How many were asked about, and how many of them are in the answer. */
  readonly candidates: number;
  readonly results: number;
  /** Whether the answer says that there may be more. */
  readonly isPart: boolean;
  readonly policy: string;
  readonly milliseconds: number;
};

/** What the question rested on. */
export type SearchedIn = { readonly account: string | undefined; readonly situation: Situation };

const label = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** The question without what was searched for: that was ignored where it was given. */
const asked = ({ kind, question }: Search, recorded: JsonObject): JsonObject => {
  const { personal: _personal, ...rest } = recorded;
  if (kind === 'action') {
    const { action: _action, ...others } = rest;
    return others;
  }
  const { properties } = rest[kind] as { readonly properties?: JsonObject };
  return { ...rest, [kind]: { type: question[kind].type, ...(properties && { properties }) } };
};

/**
 * The record of a search: an activity of the credential that searched, with the question, and how many there were. It
 * decided nothing, so it is no decision; who was found can be had again by asking again.
 */
export const searchDraft = (
  directory: Pick<Directory, 'get'>,
  search: Search,
  by: AskedBy,
  { account, situation }: SearchedIn,
  told: SearchTold,
  time: { readonly timestamp: string; readonly region: string },
): EventDraft => {
  const { kind, question } = search;
  const shown = label(question.context?.['token']);
  const token = shown === undefined ? undefined : visible(directory.get('token', shown), account, by.caller.accounts === 'all');
  const decidedAt = label(situation.context['time']) ?? time.timestamp;
  const recorded = asRecorded(question, decidedAt, { token: token?.id, facts: undefined, ignored: situation.ignored });
  return {
    id: newEventId(),
    timestamp: time.timestamp,
    account: account ?? SYSTEM_ACCOUNT,
    kind: 'activity',
    actor: { type: 'credential', id: by.caller.id, ip: by.address },
    action: `search.${kind}`,
    resource: { type: question.resource.type, id: kind === 'resource' ? '*' : textWithoutSecrets(question.resource.id) },
    result: 'success',
    details: {
      question: asked(search, recorded),
      candidates: told.candidates,
      results: told.results,
      part: told.isPart,
      policy: told.policy,
      duration_ms: told.milliseconds,
      ...(recorded['personal'] !== undefined && { personal: recorded['personal'] }),
    },
    ...(by.requestId !== '' && { request: { id: by.requestId } }),
    ...(time.region !== '' && { region: time.region }),
    source: 'pdp',
  };
};
