import type { ClickHouseConfig } from '../../config.js';
import { createStoreClient, rowsOf, run, type StoreClient } from '../client.js';
import { type Placement, tablesOf } from '../tables.js';
import { events } from './0001-events.js';
import { received } from './0002-received.js';
import { heads } from './0003-heads.js';
import { byCause } from './0004-by-cause.js';
import { byRecorded } from './0005-by-recorded.js';
import { forwarders } from './0006-forwarders.js';

export { STANDARD_DAYS } from './0001-events.js';

export type Migration = { readonly version: number; readonly name: string; readonly statements: (placement: Placement) => readonly string[] };

/** In order, never changed once released: what follows is added at the end. Each statement may run twice. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'events', statements: events },
  { version: 2, name: 'received', statements: received },
  { version: 3, name: 'heads', statements: heads },
  { version: 4, name: 'by-cause', statements: byCause },
  { version: 5, name: 'by-recorded', statements: byRecorded },
  { version: 6, name: 'forwarders', statements: forwarders },
];

/** The tables were made by a newer Verdict than this one. */
export class StoreVersionError extends Error {
  override readonly name = 'StoreVersionError';
}

const migrationsTable = (placement: Placement): string => {
  const { migrations, onCluster } = tablesOf(placement);
  const engine = placement.cluster ? "ReplicatedMergeTree('/clickhouse/tables/all/{database}/migrations', '{shard}-{replica}')" : 'MergeTree';
  return `CREATE TABLE IF NOT EXISTS ${migrations}${onCluster} (version UInt32, name String, applied DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
ENGINE = ${engine} ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`;
};

/** The statements that make the database and its first table, which every other migration is recorded in. */
export const foundation = (placement: Placement): readonly string[] => [
  `CREATE DATABASE IF NOT EXISTS \`${placement.database}\`${tablesOf(placement).onCluster}`,
  migrationsTable(placement),
];

const applied = async (client: StoreClient, placement: Placement): Promise<number> => {
  const [row] = await rowsOf<{ version: number }>(client, {
    query: `SELECT max(version) AS version FROM ${tablesOf(placement).migrations} FORMAT JSONEachRow`,
  });
  return row?.version ?? 0;
};

/**
 * Brings the store's tables to this version. Safe to run again, and by several nodes at once. Answers the versions
 * that were applied now. Rejects with {@link StoreVersionError} where the tables are newer than this Verdict.
 */
export const migrate = async (config: ClickHouseConfig, migrations: readonly Migration[] = MIGRATIONS): Promise<readonly number[]> => {
  const client = createStoreClient(config, { withoutDatabase: true });
  try {
    for (const query of foundation(config)) await run(client, { query });
    const current = await applied(client, config);
    const newest = migrations.at(-1)?.version ?? 0;
    if (current > newest)
      throw new StoreVersionError(
        `The store "${config.database}" has version ${current}, and this Verdict knows versions up to ${newest}: start the newer Verdict that made it.`,
      );
    const missing = migrations.filter((migration) => migration.version > current);
    for (const migration of missing) {
      for (const query of migration.statements(config)) await run(client, { query });
      await run(client, {
        query: `INSERT INTO ${tablesOf(config).migrations} (version, name) SELECT {version:UInt32}, {name:String}`,
        params: { version: migration.version, name: migration.name },
      });
    }
    return missing.map((migration) => migration.version);
  } finally {
    await client.close();
  }
};
