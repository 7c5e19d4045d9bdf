import { type Placement, tablesOf } from '../tables.js';

/** How far each log got, told by its writer past the stream: what is lost on the way can't take the word of it along. */
export const heads = (placement: Placement): readonly string[] => {
  const tables = tablesOf(placement);
  const engine = placement.cluster
    ? "ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/heads', '{shard}-{replica}', last)"
    : 'ReplacingMergeTree(last)';
  return [
    `CREATE TABLE IF NOT EXISTS ${tables.heads}${tables.onCluster} (
  log String,
  last UInt64,
  changed DateTime64(3, 'UTC')
) ENGINE = ${engine}
ORDER BY log`,
  ];
};
