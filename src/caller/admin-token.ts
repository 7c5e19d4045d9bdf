import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../config.js';
import { newSecret } from './secret.js';

export type AdminToken = {
  readonly token: string;
  /** True at the first start only. */
  readonly created: boolean;
  /** The file that holds it; absent where it is configured. */
  readonly path?: string;
};

const FILE = 'admin-token';
/** Anything a header can carry, and not so short that it could be guessed. */
const USABLE = /^[\x21-\x7e]{16,4096}$/;

const missing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const readToken = async (path: string): Promise<string | undefined> => {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw new ConfigError(
        `The admin token in ${path} can be reached by others than its owner (mode ${shown}): run "chmod 600 ${path}", or delete it and a new one is made.`,
      );
    }
    const token = (await readFile(path, 'utf8')).trim();
    if (USABLE.test(token)) return token;
    throw new ConfigError(`${path} holds no usable admin token (16 to 4096 printable characters without spaces): delete it and a new one is made.`);
  } catch (error) {
    if (missing(error)) return undefined;
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`The admin token in ${path} can't be read: ${(error as Error).message}.`);
  }
};

const syncAndClose = async (file: FileHandle): Promise<void> => {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};

const writeToken = async (folder: string, path: string, token: string): Promise<void> => {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  await file.writeFile(`${token}\n`);
  await syncAndClose(file);
  await rename(draft, path);
  // The name, too, must be on disk before the token is shown to anybody.
  await syncAndClose(await open(folder, 'r'));
};

/**
 * The token with every permission on every account: the configured one, else the one in the data folder, made there
 * once with mode 0600. Throws ConfigError, in a sentence, for a file that others can read or that holds no token.
 */
export const adminToken = async (options: { readonly dataDir: string; readonly configured: string }): Promise<AdminToken> => {
  if (options.configured !== '') {
    if (USABLE.test(options.configured)) return { token: options.configured, created: false };
    throw new ConfigError('admin_token (VERDICT_ADMIN_TOKEN) must have 16 to 4096 printable characters without spaces; leave it empty to have one made.');
  }
  const path = join(options.dataDir, FILE);
  const known = await readToken(path);
  if (known !== undefined) return { token: known, created: false, path };
  const token = newSecret('va_');
  try {
    await writeToken(options.dataDir, path, token);
  } catch (error) {
    throw new ConfigError(`The admin token can't be written to ${path}: ${(error as Error).message}.`);
  }
  return { token, created: true, path };
};
