export type { EntityDraft, Redact } from './entity-event.js';
export { type DirectoryFeed, type DirectoryFeedConfig, type DirectoryFeedDeps, directoryFeed } from './feed.js';
export { fixedDirectory, type WrittenEntity } from './fixed.js';
export { type KafkaDirectoryConfig, kafkaDirectory } from './kafka.js';
export { checkChanges, EntityRefused, MAX_ENTITY_BYTES } from './limits.js';
export { type LocalDirectoryConfig, localDirectory } from './local.js';
export { type Residency, residencyOf } from './residency.js';
export type { Directory, Entity, EntityChange, EntityOutcome } from './types.js';
export { type IntentJournal, type Resolved, resolveOpenIntents, type WriteDeps, writeEntities } from './write-entities.js';
