export { createStoreClient, type StoreClient } from './client.js';
export * from './embedded/index.js';
export type { InsertOutcome } from './insert.js';
export { MIGRATIONS, type Migration, migrate, STANDARD_DAYS, StoreVersionError } from './migrations/index.js';
export { CursorError } from './queries/cursor.js';
export type { EventFilter, Reach } from './queries/filter.js';
export { type Scan, type ScanOptions, ScanStalled } from './queries/scan.js';
export { MAX_DAYS, type Retention, retentionDays } from './retention.js';
export { type EventPage, openStore, type Store } from './store.js';
