import type { ClickHouseConfig } from '../config.js';

/** Where the store's tables are. On a cluster, rows are read and inserted through `events` and kept in `events_local`. */
export type Tables = {
  readonly events: string;
  /** What alterations go to. */
  readonly eventsLocal: string;
  readonly retention: string;
  readonly migrations: string;
  /** What consumers have received of each log. */
  readonly received: string;
  /** How far each log got, by its writer's own word. */
  readonly heads: string;
  /** How forwarders do on each node. */
  readonly forwarders: string;
  /** ` ON CLUSTER …`, or nothing. */
  readonly onCluster: string;
};

export type Placement = Pick<ClickHouseConfig, 'database' | 'cluster'>;

/** Both names are checked by the configuration's schema: letters, digits, `_`, and `-` in a cluster's. */
export const tablesOf = ({ database, cluster }: Placement): Tables => ({
  events: `\`${database}\`.events`,
  eventsLocal: cluster ? `\`${database}\`.events_local` : `\`${database}\`.events`,
  retention: `\`${database}\`.retention`,
  migrations: `\`${database}\`.migrations`,
  received: `\`${database}\`.received`,
  heads: `\`${database}\`.heads`,
  forwarders: `\`${database}\`.forwarders`,
  onCluster: cluster ? ` ON CLUSTER \`${cluster}\`` : '',
});
