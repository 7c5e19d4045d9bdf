import { type Placement, tablesOf } from '../tables.js';

/** What each ingest consumer has received of each log: the later row of a run says how far it goes now. */
export const received = (placement: Placement): readonly string[] => {
  const tables = tablesOf(placement);
  const engine = placement.cluster
    ? "ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/received', '{shard}-{replica}', changed)"
    : 'ReplacingMergeTree(changed)';
  return [
    `CREATE TABLE IF NOT EXISTS ${tables.received}${tables.onCluster} (
  consumer String,
  log String,
  from UInt64,
  to UInt64,
  gone UInt8,
  changed DateTime64(6, 'UTC')
) ENGINE = ${engine}
ORDER BY (consumer, log, from)`,
  ];
};
