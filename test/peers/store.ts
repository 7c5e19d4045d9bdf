import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseConfig } from '../../src/config.js';
import { type EmbeddedStore, startEmbeddedStore } from '../../src/store/embedded/index.js';
import { distFolder } from './dist.js';

const silent = { info: () => undefined, warn: () => undefined };

/** The compiled entry of the embedded store's process. */
export const childFile = (): string => join(distFolder(), 'store', 'embedded', 'child.js');

/** Starts a real embedded store on a folder. */
export const startStore = (dataDir: string, more: { port?: number; password?: string; patience_ms?: number } = {}): Promise<EmbeddedStore> =>
  startEmbeddedStore({ dataDir, childFile: childFile(), ...more }, { log: silent });

/** The configuration that reaches it. */
export const configFor = (store: Pick<EmbeddedStore, 'url' | 'username' | 'password'>, more: Partial<ClickHouseConfig> = {}): ClickHouseConfig => ({
  url: store.url,
  username: store.username,
  password: store.password,
  database: 'verdict',
  cluster: '',
  tls: { ca: '', cert: '', key: '' },
  query_seconds: 10,
  ...more,
});

/** A new folder under the system's temporary one, and how to remove it. */
export const temporaryFolder = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), 'verdict-store-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
};
