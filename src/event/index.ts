export * from './event.js';
export * from './id.js';
export * from './line.js';
export { nearest } from './nearest.js';
export * from './schema.js';
export * from './secrets.js';
