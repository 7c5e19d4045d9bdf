import type { Event } from '../../src/event/index.js';
import { openJournalEnvironment, unpackCommit } from '../../src/ingest/journal-env.js';

/** Every event on disk in the journal of this folder, in order. The journal may be open. */
export const eventsIn = async (path: string): Promise<readonly Event[]> => {
  const env = openJournalEnvironment(path, 1 << 24);
  const lines = [...env.commits.getRange()].map(({ key, value }) => unpackCommit(key, value).lines.toString('utf8'));
  await env.root.close();
  return lines
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
};
