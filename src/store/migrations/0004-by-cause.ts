import { type Placement, tablesOf } from '../tables.js';

/** What a decision allowed is found by the decision's id. Nothing is rewritten: rows that are there get the index when their part is merged. */
export const byCause = (placement: Placement): readonly string[] => {
  const { eventsLocal, onCluster } = tablesOf(placement);
  return [`ALTER TABLE ${eventsLocal}${onCluster} ADD INDEX IF NOT EXISTS by_cause caused_by TYPE bloom_filter(0.001) GRANULARITY 8`];
};
