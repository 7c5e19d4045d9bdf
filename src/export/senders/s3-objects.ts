import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type EventFormat, eventFormat } from '../formats/index.js';
import { newParquet } from '../parquet.js';
import type { Outgoing } from '../sender.js';

const compress = promisify(gzip);

/** What becomes one object: events of one account that were recorded in one hour, in the order of the batch. */
export type Group = { readonly account: string /** `2026-11-23T05`, UTC. */; readonly hour: string; readonly events: readonly Outgoing[] };

/** How the events of a group become an object's bytes. */
export type ObjectForm = {
  readonly title: string;
  readonly version: string;
  readonly ending: string;
  readonly contentType: string;
  /** One event, for a trial. */
  readonly line: EventFormat['line'];
  /** `lines`: what the object's name and `content_sha256` rest on. */
  readonly pack: (events: readonly Outgoing[]) => Promise<{ readonly lines: Buffer; readonly body: Buffer }>;
};

const linesOf = (events: readonly Outgoing[], line: EventFormat['line']): Buffer => Buffer.from(events.map((outgoing) => `${line(outgoing)}\n`).join(''));

const gzipped = (format: EventFormat): ObjectForm => ({
  ...format,
  ending: 'ndjson.gz',
  contentType: 'application/gzip',
  pack: async (events) => {
    const lines = linesOf(events, format.line);
    return { lines, body: await compress(lines) };
  },
});

/** The columns of an export (src/export/columns.ts), of the events as they stand in the record. */
const parquet: ObjectForm = {
  title: 'Apache Parquet',
  version: '1',
  ending: 'parquet',
  contentType: 'application/vnd.apache.parquet',
  line: ({ raw }) => raw,
  pack: async (events) => {
    const lines = linesOf(events, ({ raw }) => raw);
    const file = newParquet();
    return { lines, body: Buffer.concat([file.lines(lines), file.end()]) };
  },
};

/** The form of a name; throws a sentence where there is none. */
export const objectForm = (name: string): ObjectForm => (name === 'parquet' ? parquet : gzipped(eventFormat(name)));

/** An object as it is written, and the manifest that tells of it. */
export type MadeObject = {
  readonly key: string;
  readonly body: Buffer;
  /** SHA-256 of the body, hex. */
  readonly sha256: string;
  readonly contentType: string;
  /** SHA-256 of the lines that it was made of, hex: what makes two objects the same. */
  readonly content_sha256: string;
  readonly manifestKey: string;
  readonly manifest: Buffer;
};

const HOUR = '2026-11-23T05'.length;

/** The groups of a batch, in the order in which they begin. */
export const groupsOf = (batch: readonly Outgoing[]): readonly Group[] => {
  const groups = new Map<string, { readonly account: string; readonly hour: string; readonly events: Outgoing[] }>();
  for (const outgoing of batch) {
    const { account, recorded } = outgoing.event;
    const hour = recorded.slice(0, HOUR);
    const name = `${hour} ${account}`;
    const group = groups.get(name);
    if (group) group.events.push(outgoing);
    else groups.set(name, { account, hour, events: [outgoing] });
  }
  return [...groups.values()];
};

const hex = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** S3's keys end at 1,024 bytes, and the names of files at 255. */
const MOST_NAME = 200;
/** An account as part of a key; where that would be too long, its hash, and the manifest has the name. */
const encoded = (account: string): string => {
  const name = encodeURIComponent(Buffer.from(account, 'utf8').toString('utf8'));
  return name.length <= MOST_NAME ? name : `sha256~${hex(Buffer.from(account))}`;
};

const countBy = (events: readonly Outgoing[], key: (outgoing: Outgoing) => string): { readonly [name: string]: number } => {
  const counts = new Map<string, number>();
  for (const outgoing of events) counts.set(key(outgoing), (counts.get(key(outgoing)) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)));
};

const placeOf = ({ log, seq }: Outgoing) => ({ log, seq });

/**
 * The object of a group, gzipped NDJSON or Parquet, under `account=…/date=…/hour=…/`. Its name has the first event's place, the count
 * and the content's hash, so the same events give the same name, and the same name is the same content. Nothing in it
 * comes from the clock.
 */
export const objectOf = async ({ account, hour, events }: Group, form: ObjectForm, prefix: string): Promise<MadeObject> => {
  const first = events[0] as Outgoing;
  const { lines, body } = await form.pack(events);
  const content_sha256 = hex(lines);
  const sha256 = hex(body);
  const folder = `account=${encoded(account)}/date=${hour.slice(0, 10)}/hour=${hour.slice(11)}`;
  const name = `${first.log}-${first.seq}-${events.length}-${content_sha256.slice(0, 16)}`;
  const key = `${prefix}${folder}/${name}.${form.ending}`;
  const manifest = {
    object: key,
    account,
    hour: `${hour}:00:00.000Z`,
    format: { name: form.title, version: form.version },
    events: events.length,
    first: placeOf(first),
    last: placeOf(events.at(-1) as Outgoing),
    by_action: countBy(events, ({ event }) => event.action),
    by_result: countBy(events, ({ event }) => event.result),
    bytes: body.length,
    sha256,
    content_bytes: lines.length,
    content_sha256,
  };
  // Beside the data, not among it: what reads a folder of events must meet nothing else there.
  return {
    key,
    body,
    sha256,
    content_sha256,
    contentType: form.contentType,
    manifestKey: `${prefix}manifests/${folder}/${name}.json`,
    manifest: Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`),
  };
};
