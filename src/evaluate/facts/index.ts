import type { Json, JsonObject } from '../../event/index.js';
import type { Entity } from '../directory/types.js';
import type { Question } from '../question.js';
import { type Firewall, firewallOf, isAboutFirewall } from './firewall.js';
import { placesOf, targetRegionsOf } from './places.js';
import { type SshKey, sshKeyOf } from './ssh-key.js';
import { type Times, timesOf } from './times.js';
import { type UserData, userDataOf } from './user-data.js';

export { tagsOf } from './places.js';
export { timeOf } from './times.js';

/** What was computed of a question's own words: with it the question can be asked again without them. */
export type AskedFacts = {
  readonly firewall?: Firewall;
  readonly ssh_key?: SshKey;
  readonly user_data?: UserData;
  readonly target_regions?: readonly string[];
};

/** What the policy can't compute for itself; a fact that doesn't apply is absent. */
export type Facts = AskedFacts & {
  /** The time of the decision, in milliseconds since 1970. */
  readonly now: number;
  readonly times?: Times;
  readonly tags?: readonly string[];
  readonly directory_tags?: readonly string[];
  readonly region?: string;
};

/** What of the directory the facts are about. */
export type Known = {
  readonly account: Entity | undefined;
  readonly membership: Entity | undefined;
  readonly token: Entity | undefined;
  readonly resource: Entity | undefined;
};

/** Every value that the question has under a name, in its resource, action or context. */
const valuesOf = ({ resource, action, context }: Question, name: string): readonly Json[] => {
  const found: Json[] = [];
  for (const place of [resource.properties, action.properties, context]) {
    const value = place?.[name];
    if (value !== undefined && value !== null) found.push(value);
  }
  return found;
};

const hasAny = (question: Question): boolean => Boolean(question.resource.properties ?? question.action.properties ?? question.context);

const keyOf = (values: readonly Json[]): SshKey | undefined => {
  const [first, ...others] = values;
  if (first === undefined) return undefined;
  return others.some((other) => other !== first) ? { valid: false, message: 'It is given twice, and not the same.' } : sshKeyOf(first);
};

const allUserData = (values: readonly Json[]): UserData | undefined =>
  values.length === 0 ? undefined : { findings: values.flatMap((value) => userDataOf(value).findings) };

/** The facts that a question's own words give; undefined where they give none. Only the question is looked at. */
export const askedFacts = (question: Question): AskedFacts | undefined => {
  if (!hasAny(question)) return undefined;
  const { action, resource } = question;
  const firewall = isAboutFirewall(action.name, resource.type) ? firewallOf([resource.properties, action.properties]) : undefined;
  const key = keyOf(valuesOf(question, 'public_key'));
  const data = allUserData(valuesOf(question, 'user_data'));
  const regions = targetRegionsOf(question);
  if (!firewall && !key && !data && !regions) return undefined;
  return { ...(firewall && { firewall }), ...(key && { ssh_key: key }), ...(data && { user_data: data }), ...(regions && { target_regions: regions }) };
};

/** All facts of a question at a time. `directory_tags` and `times` rest on the directory alone. */
export const factsOf = (question: Question, known: Known, now: number, asked: AskedFacts | undefined): Facts => {
  const times = timesOf(known.account, known.membership, known.token);
  const properties: JsonObject | undefined = question.resource.properties;
  const places = known.resource || properties ? placesOf(properties, known.resource) : undefined;
  return { now, ...(times && { times }), ...places, ...asked };
};
