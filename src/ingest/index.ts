export * from './conflicts.js';
export * from './consumer.js';
export * from './journal.js';
export { openJournalEnvironment } from './journal-env.js';
export * from './journal-stream.js';
export * from './journal-types.js';
export * from './ranges.js';
export * from './stream.js';
