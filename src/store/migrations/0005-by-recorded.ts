import { type Placement, tablesOf } from '../tables.js';

/** What was recorded in a span of time is found without looking through every part. Nothing is rewritten: rows that are there get the index when their part is merged. */
export const byRecorded = (placement: Placement): readonly string[] => {
  const { eventsLocal, onCluster } = tablesOf(placement);
  return [`ALTER TABLE ${eventsLocal}${onCluster} ADD INDEX IF NOT EXISTS by_recorded recorded TYPE minmax GRANULARITY 1`];
};
