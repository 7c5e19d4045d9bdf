/**
 * What the certification asks about, by AuthZEN's own fixture or under other names. The decision point must answer:
 * `writer` reads and writes `active`, `reader` reads and does not write it. With properties besides: `active` and `archived` have a
 * `status` of that name, `reader` has the `role` admin; what is archived is written by an admin and by nobody else; and
 * `writer` deletes `active` with the action's `soft: true`, not with `soft: false`.
 */
export type World = {
  readonly subjectType: string;
  readonly writer: string;
  readonly reader: string;
  readonly resourceType: string;
  readonly active: string;
  readonly archived: string;
  readonly read: string;
  readonly write: string;
  readonly remove: string;
};

/** The names of AuthZEN's certification scenario, section 2. */
export const WORLD: World = {
  subjectType: 'user',
  writer: 'alice',
  reader: 'bob',
  resourceType: 'record',
  active: 'record-1',
  archived: 'record-2',
  read: 'read',
  write: 'write',
  remove: 'delete',
};

type Properties = Readonly<Record<string, unknown>>;

/** The parts of questions about a world. */
export const partsOf = (world: World) => {
  const subject = (id: string, properties?: Properties) => ({ type: world.subjectType, id, ...(properties && { properties }) });
  const resource = (id: string, properties?: Properties) => ({ type: world.resourceType, id, ...(properties && { properties }) });
  const action = (name: string, properties?: Properties) => ({ name, ...(properties && { properties }) });
  return {
    writer: (properties?: Properties) => subject(world.writer, properties),
    reader: (properties?: Properties) => subject(world.reader, properties),
    active: (properties?: Properties) => resource(world.active, properties),
    archived: (properties?: Properties) => resource(world.archived, properties),
    read: (properties?: Properties) => action(world.read, properties),
    write: (properties?: Properties) => action(world.write, properties),
    remove: (properties?: Properties) => action(world.remove, properties),
  };
};
