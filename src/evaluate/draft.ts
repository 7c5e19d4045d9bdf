import { type EventDraft, type Json, type JsonObject, newEventId, SYSTEM_ACCOUNT, textWithoutSecrets, withoutSecrets } from '../event/index.js';
import type { AskedBy, Built } from './input.js';
import type { PolicyAnswer } from './policy-types.js';
import { asRecorded, type Question } from './question.js';

/** What was decided, and by which policy in how long. */
export type Ruling = { readonly answer: PolicyAnswer; readonly policy: string; readonly microseconds: number };

/** Names of actions that an event can carry. */
const ACTION = /^[^\p{Cc}]{1,128}$/u;
/** Whether an event, and so a question, can have an action of this name. */
export const isActionName = (name: string): boolean => ACTION.test(name);
/** Their names are personal data, which stands elsewhere in an event. */
const PEOPLE = new Set(['user', 'membership']);
/** What of an advice is for the caller's eyes, and no detail of the alert. */
const SAID = new Set(['alert', 'code', 'message']);

const label = (value: Json | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const versions = (built: Built): Readonly<Record<string, number>> => {
  const facts: Record<string, number> = {};
  for (const { type, id, version } of built.entities) facts[`${type}/${id}`] = version;
  return facts;
};

const actorOf = ({ subject }: Question, { person, input: { context } }: Built): EventDraft['actor'] => {
  const email = label(person?.properties['email']);
  const ip = label(context['ip']);
  const userAgent = label(context['user_agent']);
  return {
    type: subject.type,
    id: textWithoutSecrets(subject.id),
    ...(email && { email }),
    ...(ip && { ip }),
    ...(userAgent && { user_agent: textWithoutSecrets(userAgent) }),
  };
};

/** The record of a decision. `timestamp` is RFC 3339, UTC, milliseconds: when it was made, whatever time it was made for. */
export const decisionDraft = (
  question: Question,
  by: AskedBy,
  built: Built,
  ruling: Ruling,
  timestamp: string,
  region: string,
  details: JsonObject = { caller: by.caller.id },
): EventDraft => {
  const { action, resource } = question;
  const { allow, reasons, advice } = ruling.answer;
  const name = PEOPLE.has(resource.type) ? undefined : label(built.resource?.properties['name']);
  return {
    id: newEventId(),
    timestamp,
    account: built.account ?? SYSTEM_ACCOUNT,
    kind: 'decision',
    actor: actorOf(question, built),
    action: action.name,
    resource: { type: resource.type, id: textWithoutSecrets(resource.id), ...(name && { name: textWithoutSecrets(name) }) },
    result: allow ? 'allowed' : 'denied',
    details,
    decision: {
      allow,
      reasons,
      advice,
      policy: ruling.policy,
      duration_us: ruling.microseconds,
      question: asRecorded(question, label(built.input.context['time']) ?? timestamp, {
        token: built.token?.id,
        facts: built.asked,
        ignored: built.ignored,
      }),
      facts: versions(built),
    },
    ...(by.requestId !== '' && { request: { id: by.requestId } }),
    ...(region !== '' && { region }),
    source: 'pdp',
  };
};

const detailsOf = (advice: JsonObject): JsonObject =>
  withoutSecrets(Object.fromEntries(Object.entries(advice).filter(([name]) => !SAID.has(name)))) as JsonObject;

const alertOf = (advice: Json, decision: EventDraft): readonly EventDraft[] => {
  if (typeof advice !== 'object' || advice === null || Array.isArray(advice)) return [];
  const alert = (advice as JsonObject)['alert'];
  if (typeof alert !== 'string' || !isActionName(alert)) return [];
  const { decision: _decision, ...same } = decision;
  return [{ ...same, id: newEventId(), kind: 'activity', action: alert, result: 'success', details: detailsOf(advice as JsonObject), caused_by: decision.id }];
};

/** The further events that a decision's advice asks for: one for each that names an `alert`. */
export const alertDrafts = (decision: EventDraft, advice: readonly Json[]): readonly EventDraft[] =>
  advice.length === 0 ? [] : advice.flatMap((one) => alertOf(one, decision));
