import type { SchemaElement } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { type Event, fromLine } from '../event/index.js';
import { type Cell, type CellType, COLUMNS, type Column } from './columns.js';

/** A row group is closed when it has so many rows, or was made of so many bytes of lines: what is held in memory at once. */
const GROUP_ROWS = 20_000;
const GROUP_BYTES = 16 * 1024 * 1024;

/** The types of Apache Parquet. A time is INT64 of milliseconds, UTC, so that readers have a timestamp and no text. */
const TYPES: { readonly [type in CellType]: NonNullable<ColumnSource['type']> } = {
  text: 'STRING',
  json: 'JSON',
  time: 'TIMESTAMP',
  integer: 'INT64',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
};

/** What today's Parquet says of a time; the older converted type alone leaves it to the reader whether it is UTC. */
const UTC_MILLIS = { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' } as const;

const schema = (): SchemaElement[] =>
  schemaFromColumnData({ columnData: COLUMNS.map((column) => sourceOf(column, [])) }).map((element) =>
    element.converted_type === 'TIMESTAMP_MILLIS' ? { ...element, logical_type: UTC_MILLIS } : element,
  );

const parquetValue = (cell: Cell, type: CellType): unknown => {
  if (cell === undefined || cell === null) return undefined;
  switch (type) {
    case 'time':
      return new Date(cell as string);
    case 'integer':
      return BigInt(cell as number);
    default:
      return cell;
  }
};

const sourceOf = ({ name, type, cell }: Column, events: readonly Event[]): ColumnSource => ({
  name,
  type: TYPES[type],
  data: events.map((event) => parquetValue(cell(event), type)),
});

/** Takes what the writer has put down so far out of its memory; it counts offsets by itself. */
const drained = (writer: ByteWriter): Buffer => {
  const bytes = Buffer.from(writer.getBytes());
  writer.index = 0;
  return bytes;
};

/** Writes events as one Parquet file, a row group at a time (Snappy; statistics for each column, so that readers skip what they don't need). */
export const newParquet = () => {
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: schema(),
    createdBy: 'verdict',
  });
  let events: Event[] = [];
  let bytes = 0;

  const closeGroup = (): Buffer => {
    if (events.length > 0) void file.write({ columnData: COLUMNS.map((column) => sourceOf(column, events)), rowGroupSize: events.length });
    events = [];
    bytes = 0;
    return drained(writer);
  };

  return {
    /** Whole lines, each ended by a newline; the bytes of the row groups that they filled. */
    lines: (lines: Buffer): Buffer => {
      const parts: Buffer[] = [];
      for (const line of lines.toString('utf8', 0, lines.length - 1).split('\n')) {
        events.push(fromLine(line));
        bytes += line.length;
        if (events.length >= GROUP_ROWS || bytes >= GROUP_BYTES) parts.push(closeGroup());
      }
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    },
    /** What is left, and the footer. */
    end: (): Buffer => {
      const rest = closeGroup();
      void file.finish();
      return Buffer.concat([rest, drained(writer)]);
    },
  };
};
