import { MAX_ID } from './directory/limits.js';
import type { Directory } from './directory/types.js';
import { isActionName } from './draft.js';

/** Where a search goes on: all of the stretch's ids up to and including `after` have been looked at, and all stretches before it. */
export type Place = { readonly stretch: string; readonly after: string };

/** One look at the candidates: the next one's id, that some entries were read and none is known yet, or that there is none left. */
export type Step = { readonly kind: 'candidate'; readonly id: string } | { readonly kind: 'reading' } | { readonly kind: 'end' };

/** Ids in order, each once, whose reading never takes long: `place` is how far they have been looked at. */
export type Candidates = { readonly next: () => Step; readonly place: () => Place };

/** Some ids after one, in order. `through` is how far that went, undefined where it is at the end. */
type Chunk = { readonly ids: readonly string[]; readonly through: string | undefined };
type Source = (after: string | undefined, limit: number) => Chunk;

/** What lies in one account, or where there are no accounts to go by, everything; by a name that tells it from the others. */
export type Stretch = { readonly name: string; readonly sources: readonly Source[] };

/** So many entries are read from the directory at once. */
const CHUNK = 64;

/** The order in which the directory lists: that of the ids' UTF-8 bytes. */
const compare = (left: string, right: string): number => (left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right)));

/** Entities of a type: an account's ('' for those of none), or all where none is given. */
export const entitiesOf =
  (directory: Pick<Directory, 'list'>, type: string, account?: string): Source =>
  (after, limit) => {
    const ids = directory.list(type, { limit, ...(account !== undefined && { account }), ...(after !== undefined && { after }) }).map(({ id }) => id);
    return { ids, through: ids.length < limit ? undefined : ids.at(-1) };
  };

/** No id is longer, and none longer can be looked for; half of a character at its end would come after everything. */
const cut = (id: string): string => (id.length <= MAX_ID ? id : id.slice(0, MAX_ID).replace(/[\ud800-\udbff]$/, ''));

/** Those who have a membership of the account and are of the type, whether the directory has an entity of their own or not. */
export const membersOf =
  (directory: Pick<Directory, 'list'>, type: string, account: string): Source =>
  (after, limit) => {
    const prefix = `${account}:`;
    const found = directory.list('membership', { account, limit, after: cut(`${prefix}${after ?? ''}`) });
    const theirs = found.filter(({ id, properties }) => id.startsWith(prefix) && (properties['subject_type'] ?? 'user') === type);
    const ids = theirs.map(({ id }) => id.slice(prefix.length)).filter((id) => after === undefined || compare(id, after) > 0);
    return { ids, through: found.length < limit ? undefined : found.at(-1)?.id.slice(prefix.length) };
  };

/** Names that are known beforehand, in order. */
export const namesFrom =
  (names: readonly string[]): Source =>
  (after, limit) => {
    const from = after === undefined ? 0 : names.findIndex((name) => compare(name, after) > 0);
    const ids = from < 0 ? [] : names.slice(from, from + limit);
    return { ids, through: ids.length < limit ? undefined : ids.at(-1) };
  };

/** A source's names that an action can have. */
export const actionNames =
  (source: Source): Source =>
  (after, limit) => {
    const { ids, through } = source(after, limit);
    return { ids: ids.filter(isActionName), through };
  };

/** A source with what was read of it and not taken yet. */
type Reader = {
  readonly head: () => string | undefined;
  readonly take: () => void;
  /** All ids up to here were taken or are at hand; undefined: all there are. */
  readonly through: () => string | undefined;
  readonly read: () => void;
};

const readerOf = (source: Source, after: string | undefined): Reader => {
  let chunk: Chunk = { ids: [], through: after ?? '' };
  let at = 0;
  return {
    head: () => chunk.ids[at],
    take: () => {
      at += 1;
    },
    through: () => chunk.through,
    read: () => {
      chunk = source(chunk.through === '' ? undefined : chunk.through, CHUNK);
      at = 0;
    },
  };
};

const least = (ids: readonly (string | undefined)[]): string | undefined =>
  ids.reduce((first, id) => (first === undefined || (id !== undefined && compare(id, first) < 0) ? id : first), undefined);

/** The ids of one stretch: of all its sources together, each id once. */
const merged = (sources: readonly Source[], after: string | undefined) => {
  const readers = sources.map((source) => readerOf(source, after));
  /** Of the sources without anything at hand that may still have an id before `id`, the one that was read least far. */
  const unread = (id: string | undefined): Reader | undefined => {
    const open = readers.filter((reader) => reader.head() === undefined && reader.through() !== undefined);
    const through = least(open.map((reader) => reader.through()));
    return through === undefined || (id !== undefined && compare(through, id) >= 0) ? undefined : open.find((reader) => reader.through() === through);
  };
  let done = after ?? '';
  return {
    next: (): Step => {
      const id = least(readers.map((reader) => reader.head()));
      const behind = unread(id);
      if (behind) {
        behind.read();
        const read = least(readers.map((reader) => (reader.head() === undefined ? reader.through() : undefined)));
        const ahead = least(readers.map((reader) => reader.head()));
        // What lies before every id at hand, and was read, holds no candidate.
        if (read !== undefined && compare(read, done) > 0 && (ahead === undefined || compare(read, ahead) < 0)) done = read;
        return { kind: 'reading' };
      }
      if (id === undefined) return { kind: 'end' };
      for (const reader of readers) if (reader.head() === id) reader.take();
      done = id;
      return { kind: 'candidate', id };
    },
    after: () => done,
  };
};

/** All candidates from a place on, stretch by stretch in the order of their names. The place of stretches that are no longer there is between those that are. */
export const candidatesOf = (stretches: readonly Stretch[], from?: Place): Candidates => {
  const left = [...stretches].sort((one, other) => compare(one.name, other.name)).filter(({ name }) => from === undefined || compare(name, from.stretch) >= 0);
  let at = 0;
  const open = () => {
    const stretch = left[at];
    return stretch && { name: stretch.name, ids: merged(stretch.sources, stretch.name === from?.stretch ? from.after : undefined) };
  };
  let current = open();
  let place: Place = from ?? { stretch: '', after: '' };
  return {
    next: () => {
      if (!current) return { kind: 'end' };
      const step = current.ids.next();
      place = { stretch: current.name, after: current.ids.after() };
      if (step.kind !== 'end') return step;
      at += 1;
      current = open();
      return current ? { kind: 'reading' } : step;
    },
    place: () => place,
  };
};
