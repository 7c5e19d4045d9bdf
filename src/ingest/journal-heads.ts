import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Position } from '../event/index.js';
import { openJournalEnvironment } from './journal-env.js';

/** The latest log of each journal in these folders and how far it got, read beside its writer. A folder without a journal has none. */
export const journalHeads = async (folders: readonly string[], maxBytes: number): Promise<readonly Position[]> => {
  const heads: Position[] = [];
  for (const folder of folders) {
    if (!existsSync(join(folder, 'data.mdb'))) continue;
    const env = openJournalEnvironment(folder, maxBytes, true);
    const head = env.state.get('head');
    if (head) heads.push({ log: head.log, seq: head.seq });
    await env.root.close();
  }
  return heads;
};
