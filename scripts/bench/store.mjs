import { startEmbeddedStore } from '../../dist/store/index.js';

/** An embedded store by itself, for the rows in which the store stands elsewhere: `node store.mjs FOLDER`. */
const log = { info: () => undefined, warn: (fields, message) => console.error(message, fields) };
const store = await startEmbeddedStore({ dataDir: process.argv[2] }, { log });
console.log(`STORE ${JSON.stringify({ url: store.url, username: store.username, password: store.password })}`);
process.on('SIGINT', () => store.stop().then(() => process.exit(0)));
