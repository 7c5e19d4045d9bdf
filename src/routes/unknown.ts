import type { Directory, Question } from '../evaluate/index.js';
import type { Route, RouteMatch, RouteTable } from './types.js';

/** The first such thing among a route's questions, as `<type>/<id>`. */
export type UnknownOf = (match: Pick<RouteMatch, 'route'>, questions: readonly Question[]) => string | undefined;

const createdBy = ({ entity }: Route): readonly string[] => (entity?.on === 'created' ? [entity.type] : []);

const isFixed = ({ resource, each }: Route): boolean => !each && (resource?.id ?? []).every((piece) => typeof piece === 'string');

/**
 * Finds the first thing, as `<type>/<id>`, that is asked about by an id from the request and that the directory should
 * know, but doesn't: one of a type that some route of the table creates entities of. Whose it is nobody can tell, and
 * the policy would take it for the asker's own. A route that is about to make it, and one whose id is fixed (`*`), are
 * asked about all the same.
 */
export const unknownResource = (table: Pick<RouteTable, 'routes'>, directory: Pick<Directory, 'get'>): UnknownOf => {
  const followed = new Set(table.routes.flatMap(createdBy));
  return ({ route }, questions) => {
    if (isFixed(route)) return undefined;
    const made = createdBy(route);
    const found = questions.find(({ resource: { type, id } }) => followed.has(type) && !made.includes(type) && directory.get(type, id) === undefined);
    return found && `${found.resource.type}/${found.resource.id}`;
  };
};

/** Why a request about such a thing goes no further. */
export const unknownSentence = (name: string): string =>
  `The directory does not know ${name.slice(0, 300)}, so nobody can tell whose it is: what was there before Verdict is imported first (verdict entities import).`;
