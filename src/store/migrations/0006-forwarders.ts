import { type Placement, tablesOf } from '../tables.js';

/** How each forwarder does on each node of a fleet: the latest word of a node stands. */
export const forwarders = (placement: Placement): readonly string[] => {
  const tables = tablesOf(placement);
  const engine = placement.cluster
    ? "ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/forwarders', '{shard}-{replica}', changed)"
    : 'ReplacingMergeTree(changed)';
  return [
    `CREATE TABLE IF NOT EXISTS ${tables.forwarders}${tables.onCluster} (
  forwarder String,
  node String,
  status String CODEC(ZSTD(1)),
  changed DateTime64(3, 'UTC')
) ENGINE = ${engine}
ORDER BY (forwarder, node)
TTL toDateTime(changed) + toIntervalDay(90)`,
  ];
};
