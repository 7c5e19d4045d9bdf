import { type Json, type JsonObject, textWithoutSecrets, withoutSecrets } from '../event/index.js';
import type { AskedFacts } from './facts/index.js';

/** What is asked (AuthZEN 1.0, section 5): may this subject do this action on this resource, in this context? */
export type Question = {
  readonly subject: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly action: { readonly name: string; readonly properties?: JsonObject };
  readonly resource: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly context?: JsonObject;
};

const PERSONAL_NAMES = new Set(['ip', 'email', 'phone', 'user_agent']);

/** An object's personal fields, and the rest. */
const split = (object: JsonObject): { readonly personal: JsonObject; readonly rest: JsonObject } => {
  const personal: Record<string, Json> = {};
  const rest: Record<string, Json> = {};
  for (const [name, value] of Object.entries(object)) (PERSONAL_NAMES.has(name) ? personal : rest)[name] = value;
  return { personal, rest };
};

const isEmpty = (object: JsonObject | undefined): boolean => {
  for (const _ in object) return false;
  return true;
};

/** What else is recorded of a question. */
export type RecordedWith = {
  /** The id of a token that the directory knows; any other text in its place may be the token itself. */
  readonly token: string | undefined;
  /** What was computed of the question's own words, which may not be recorded themselves. */
  readonly facts: AskedFacts | undefined;
  /** Names of claims in its context that did not count, and would if a trusted caller asked again: they are told by name alone. */
  readonly ignored: readonly string[];
};

const without = (object: JsonObject, names: readonly string[]): JsonObject =>
  names.length === 0 ? object : Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

/** Facts hold nothing of a secret by themselves; names of regions are the asker's own words. */
const factsAsRecorded = (facts: AskedFacts): JsonObject =>
  (facts.target_regions ? { ...facts, target_regions: withoutSecrets(facts.target_regions) } : facts) as JsonObject;

/**
 * The question as it is recorded: nothing personal outside `personal`, no secrets, the facts computed of them, and the
 * time of the decision in its context, so that the same question can be asked again later.
 */
export const asRecorded = (question: Question, time: string, { token, facts, ignored }: RecordedWith): JsonObject => {
  const { subject, action, resource } = question;
  const context: JsonObject = isEmpty(question.context) ? {} : (withoutSecrets(without(question.context as JsonObject, ignored)) as JsonObject);
  const { personal, rest } = isEmpty(context) ? { personal: {}, rest: {} } : split(context);
  const about = isEmpty(subject.properties) ? undefined : withoutSecrets(subject.properties as JsonObject);
  return {
    subject: { type: subject.type, id: textWithoutSecrets(subject.id) },
    action: isEmpty(action.properties) ? { name: action.name } : { name: action.name, properties: withoutSecrets(action.properties as JsonObject) },
    resource: isEmpty(resource.properties)
      ? { type: resource.type, id: textWithoutSecrets(resource.id) }
      : { type: resource.type, id: textWithoutSecrets(resource.id), properties: withoutSecrets(resource.properties as JsonObject) },
    context: { ...rest, ...(token !== undefined && { token }), time },
    ...((about !== undefined || !isEmpty(personal)) && { personal: { ...personal, ...(about !== undefined && { subject: about }) } }),
    ...(ignored.length > 0 && { ignored }),
    ...(facts && { facts: factsAsRecorded(facts) }),
  };
};
