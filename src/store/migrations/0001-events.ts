import { type Placement, tablesOf } from '../tables.js';

/** Days that an event of an account without another tier is kept. */
export const STANDARD_DAYS = 90;

/** A column that is read from the line: where its value stands there, and how it is kept. */
type Column = { readonly name: string; readonly path: readonly string[]; readonly type: string; readonly codec?: string };

/** Every column that is an expression over `raw`. */
export const EVENT_COLUMNS: readonly Column[] = [
  { name: 'id', path: ['id'], type: 'String' },
  { name: 'timestamp', path: ['timestamp'], type: "DateTime64(3, 'UTC')", codec: 'Delta, ZSTD' },
  { name: 'recorded', path: ['recorded'], type: "DateTime64(3, 'UTC')", codec: 'Delta, ZSTD' },
  { name: 'account', path: ['account'], type: 'String' },
  { name: 'kind', path: ['kind'], type: 'LowCardinality(String)' },
  { name: 'actor_type', path: ['actor', 'type'], type: 'LowCardinality(String)' },
  { name: 'actor_id', path: ['actor', 'id'], type: 'String' },
  { name: 'actor_email', path: ['actor', 'email'], type: 'String' },
  { name: 'actor_ip', path: ['actor', 'ip'], type: 'String' },
  { name: 'action', path: ['action'], type: 'LowCardinality(String)' },
  { name: 'resource_type', path: ['resource', 'type'], type: 'LowCardinality(String)' },
  { name: 'resource_id', path: ['resource', 'id'], type: 'String' },
  { name: 'resource_name', path: ['resource', 'name'], type: 'String' },
  { name: 'result', path: ['result'], type: 'LowCardinality(String)' },
  { name: 'policy', path: ['decision', 'policy'], type: 'LowCardinality(String)' },
  { name: 'caused_by', path: ['caused_by'], type: 'String' },
  { name: 'request_id', path: ['request', 'id'], type: 'String' },
  { name: 'request_method', path: ['request', 'method'], type: 'LowCardinality(String)' },
  { name: 'request_status', path: ['request', 'status'], type: 'UInt16' },
  { name: 'region', path: ['region'], type: 'LowCardinality(String)' },
  { name: 'source', path: ['source'], type: 'LowCardinality(String)' },
  { name: 'log', path: ['log'], type: 'String' },
  { name: 'seq', path: ['seq'], type: 'UInt64', codec: 'Delta, ZSTD' },
];

/** Fields of an event that no column repeats: they are read from `raw`. `details` is also searched, through `search`. */
export const RAW_ONLY: readonly string[] = [
  'actor.user_agent',
  'details',
  'decision.allow',
  'decision.reasons',
  'decision.advice',
  'decision.duration_us',
  'decision.question',
  'decision.facts',
  'request.path',
  'request.duration_ms',
  'salts',
];

const elementType = (column: Column): string => (/^UInt/.test(column.type) ? column.type : 'String');

type Shape = { [name: string]: string | Shape };

/** The columns' paths as one nested tuple, so that a line is parsed once and not once for each column. */
const shapeOf = (columns: readonly Column[]): Shape => {
  const shape: Shape = { details: 'String' };
  for (const column of columns) {
    const [head, tail] = column.path as [string, string?];
    if (tail === undefined) shape[head] = elementType(column);
    else shape[head] = { ...(shape[head] as Shape | undefined), [tail]: elementType(column) };
  }
  return shape;
};

const tupleType = (shape: Shape): string => {
  const elements = Object.entries(shape).map(([name, type]) => `${name} ${typeof type === 'string' ? type : tupleType(type)}`);
  return `Tuple(${elements.join(', ')})`;
};

const elementOf = (path: readonly string[]): string => path.reduce((inner, name) => `tupleElement(${inner}, '${name}')`, 'parsed');

const expressionOf = (column: Column): string => {
  const element = elementOf(column.path);
  return column.type.startsWith('DateTime64') ? `parseDateTime64BestEffort(${element}, 3, 'UTC')` : element;
};

const columnSql = (column: Column): string => `${column.name} ${column.type} DEFAULT ${expressionOf(column)}${column.codec ? ` CODEC(${column.codec})` : ''}`;

const SEARCHED = ['action', 'actor_id', 'actor_email', 'resource_type', 'resource_id', 'resource_name'];

const columns = (): string[] => {
  const type = tupleType(shapeOf(EVENT_COLUMNS));
  return [
    'raw String CODEC(ZSTD(1))',
    // Not kept: it exists while a row is inserted, and the other columns are taken from it.
    `parsed ${type} EPHEMERAL JSONExtract(raw, '${type}')`,
    ...EVENT_COLUMNS.map(columnSql),
    // What q looks through, in lower case.
    `search String DEFAULT lowerUTF8(concatWithSeparator('\\n', ${SEARCHED.join(', ')}, ${elementOf(['details'])})) CODEC(ZSTD(1))`,
    // What is no part of the event stands beside it.
    `days UInt16 DEFAULT ${STANDARD_DAYS}`,
    "expires DateTime('UTC') DEFAULT toDateTime(recorded, 'UTC') + toIntervalDay(days)",
    'held UInt8 DEFAULT 0',
    'erased UInt8 DEFAULT 0',
  ];
};

const indexes = (): string[] => [
  'INDEX by_time timestamp TYPE minmax GRANULARITY 8',
  'INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 8',
  'INDEX by_request request_id TYPE bloom_filter(0.001) GRANULARITY 8',
  'INDEX by_actor [actor_id, lower(actor_email)] TYPE bloom_filter(0.01) GRANULARITY 8',
  "INDEX by_resource [resource_id, concat(resource_type, '/', resource_id), resource_name] TYPE bloom_filter(0.01) GRANULARITY 8",
  'INDEX by_ip actor_ip TYPE bloom_filter(0.01) GRANULARITY 8',
  'INDEX by_action action TYPE set(256) GRANULARITY 8',
  'INDEX by_result result TYPE set(8) GRANULARITY 8',
  'INDEX by_kind kind TYPE set(4) GRANULARITY 8',
  // Five letters at a time: four would all be present in every 8,192 rows with hexadecimal ids in their details.
  'INDEX by_words search TYPE ngrambf_v1(5, 131072, 2, 0) GRANULARITY 8',
];

/** What a line must have to be a row: anything else is refused as a whole insert, so that nothing unreadable is kept. */
const constraints = (): string[] => [
  "CONSTRAINT whole CHECK id != '' AND account != '' AND source != '' AND log != '' AND seq > 0 AND action != ''",
  "CONSTRAINT one_line CHECK position(raw, '\\n') = 0",
  // `expires` is 32 bits wide: a date beyond would wrap around and delete the row at once.
  "CONSTRAINT recorded_now CHECK recorded >= toDateTime64('2020-01-01 00:00:00', 3, 'UTC') AND recorded < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')",
];

/** A batch becomes one file instead of one for each column and index: a sixth less work for the same rows. */
const COMPACT_BYTES = 64 * 1024 * 1024;

const eventsTable = (placement: Placement): string => {
  const { eventsLocal, onCluster } = tablesOf(placement);
  const engine = placement.cluster ? "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/events', '{replica}')" : 'ReplacingMergeTree';
  return `CREATE TABLE IF NOT EXISTS ${eventsLocal}${onCluster} (
  ${[...columns(), ...indexes(), ...constraints()].join(',\n  ')}
) ENGINE = ${engine}
PARTITION BY toYYYYMM(recorded)
ORDER BY (account, timestamp, source, id, log, seq)
TTL expires + toIntervalDay(3) DELETE WHERE held = 0
SETTINGS index_granularity = 1024, min_bytes_for_wide_part = ${COMPACT_BYTES}, fsync_after_insert = 1, fsync_part_directory = 1`;
};

const small = (placement: Placement, name: 'retention', version: string): string =>
  placement.cluster
    ? // One copy on every node of every shard, so that each answers for itself.
      `ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/${name}', '{shard}-{replica}', ${version})`
    : `ReplacingMergeTree(${version})`;

/** The first shape of the store: the events, and what is known of accounts that are kept for other than the standard time. */
export const events = (placement: Placement): readonly string[] => {
  const tables = tablesOf(placement);
  const distributed = placement.cluster
    ? [
        `CREATE TABLE IF NOT EXISTS ${tables.events}${tables.onCluster} AS ${tables.eventsLocal}
ENGINE = Distributed('${placement.cluster}', '${placement.database}', 'events_local', sipHash64(account, id))`,
      ]
    : [];
  return [
    eventsTable(placement),
    ...distributed,
    `CREATE TABLE IF NOT EXISTS ${tables.retention}${tables.onCluster} (
  account String,
  days UInt16,
  applied UInt8,
  changed DateTime64(6, 'UTC')
) ENGINE = ${small(placement, 'retention', 'changed')}
ORDER BY account`,
  ];
};
