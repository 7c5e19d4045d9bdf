import type { Json, JsonObject } from '../../event/index.js';
import type { Directory, Entity } from '../directory/types.js';
import { timeOf } from '../facts/times.js';
import { type IamDocument, isDocument, isManaged, type Statement } from './document.js';
import { patternOf } from './pattern.js';

/** A document as the policy is given it: its statements about one action, times in milliseconds beside them. */
export type Attached = { readonly id: string; readonly name: string; readonly statements: readonly JsonObject[] };

type Compiled = { readonly about: (action: string) => readonly JsonObject[] };

/** So many actions of a document are remembered; asking about more begins anew. */
const REMEMBERED = 256;
/** The most documents on one membership that are looked at; who has more is denied, for the rest may deny. */
const MOST_ATTACHED = 50;

/** What stands for a document that can't be read: it may have denied. */
const UNREADABLE: readonly JsonObject[] = [{ sid: 'unreadable', effect: 'deny', actions: ['*'], resources: ['*'] }];

const withTimes = (statement: Statement): JsonObject => {
  const { conditions } = statement;
  if (conditions?.after === undefined && conditions?.before === undefined) return statement as unknown as JsonObject;
  const { after, before } = conditions;
  const timed = { ...conditions, ...(after !== undefined && { after_ms: timeOf(after) }), ...(before !== undefined && { before_ms: timeOf(before) }) };
  return { ...statement, conditions: timed } as unknown as JsonObject;
};

const compile = (document: Json | undefined): Compiled => {
  if (!isDocument(document)) return { about: () => UNREADABLE };
  const statements = (document as IamDocument).statements.map((statement) => ({ shown: withTimes(statement), patterns: statement.actions.map(patternOf) }));
  const remembered = new Map<string, readonly JsonObject[]>();
  return {
    about: (action) => {
      const before = remembered.get(action);
      if (before) return before;
      const found = statements.filter(({ patterns }) => patterns.some((matches) => matches(action))).map(({ shown }) => shown);
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(action, found);
      return found;
    },
  };
};

const compiled = new WeakMap<Entity, Compiled>();

const compiledOf = (entity: Entity): Compiled => {
  const known = compiled.get(entity);
  if (known) return known;
  const fresh = compile(entity.properties['document']);
  compiled.set(entity, fresh);
  return fresh;
};

/** Names of documents on a membership; the policy has no use for anything else that stands there. */
const namesOf = (membership: Entity | undefined): readonly string[] => {
  const names = membership?.properties['policies'];
  return Array.isArray(names) ? names.filter((name): name is string => typeof name === 'string') : [];
};

export type AttachedDocuments = { readonly policies: readonly Attached[]; readonly entities: readonly Entity[] };

const tooMany: Attached = { id: '', name: `more than ${MOST_ATTACHED} documents`, statements: UNREADABLE };

/**
 * The account's own documents that a membership names, each with its statements about the action; one without any is left
 * out, unless it stands instead of a shipped one. A document that can't be read denies everything, and so does a
 * membership with more than fifty. `entities` are all that were looked at.
 */
export const attachedTo = (directory: Pick<Directory, 'get'>, account: string, membership: Entity | undefined, action: string): AttachedDocuments => {
  const policies: Attached[] = [];
  const entities: Entity[] = [];
  const names = namesOf(membership);
  for (const name of names.slice(0, MOST_ATTACHED)) {
    const entity = directory.get('iam_policy', `${account}:${name}`);
    if (entity?.account !== account) continue;
    entities.push(entity);
    const statements = compiledOf(entity).about(action);
    if (statements.length > 0 || isManaged(name)) policies.push({ id: entity.id, name, statements });
  }
  return { policies: names.length > MOST_ATTACHED ? [...policies, tooMany] : policies, entities };
};
