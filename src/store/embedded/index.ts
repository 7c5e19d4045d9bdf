export { type EmbeddedStore, type EmbeddedStoreConfig, type EmbeddedStoreDeps, type Exit, StoreStartError, startEmbeddedStore } from './launch.js';
