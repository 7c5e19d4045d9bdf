import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { fromLine } from '../../event/index.js';
import { COMPRESSIONS, compressed } from '../compress.js';
import { formatOf } from '../files.js';
import { type ExportJob, type JobManifest, type LogSpan, MOST_LOGS, type Part } from './job.js';

export type PartsConfig = {
  /** A part is closed when it was made of so many bytes of lines. */
  readonly part_bytes: number;
};

export type Written = Pick<JobManifest, 'rows' | 'parts' | 'counts' | 'logs' | 'files'>;

/** What a manifest tells of events, as they go by. */
export type Tally = { readonly add: (lines: Buffer) => number; readonly done: () => Pick<JobManifest, 'counts' | 'logs'> };

/** Counts by day and action, and the places of each log. */
export const newTally = (): Tally => {
  const counts = new Map<string, Map<string, number>>();
  const logs = new Map<string, LogSpan>();
  const one = (line: string): void => {
    const { timestamp, action, log, seq } = fromLine(line);
    const day = timestamp.slice(0, 10);
    const ofDay = counts.get(day) ?? new Map<string, number>();
    counts.set(day, ofDay.set(action, (ofDay.get(action) ?? 0) + 1));
    const known = logs.get(log) ?? { log, first: seq, last: seq, rows: 0 };
    if (logs.size < MOST_LOGS || logs.has(log))
      logs.set(log, { log, first: Math.min(known.first, seq), last: Math.max(known.last, seq), rows: known.rows + 1 });
  };
  return {
    add: (lines) => {
      const all = lines.toString('utf8', 0, lines.length - 1).split('\n');
      for (const line of all) one(line);
      return all.length;
    },
    done: () => ({
      counts: Object.fromEntries([...counts].sort().map(([day, actions]) => [day, Object.fromEntries([...actions].sort())])),
      logs: [...logs.values()],
    }),
  };
};

/** An account as part of a file's name. */
export const whoseName = (account: string | undefined): string => (account ?? 'all').replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 64);

const nameOf = ({ account, format, compression }: ExportJob, index: number): string => {
  const whose = whoseName(account);
  return `audit-logs-${whose}-${String(index).padStart(4, '0')}.${format}${compression ? `.${COMPRESSIONS[compression]}` : ''}`;
};

export type PartsDeps = {
  readonly place: (name: string) => string;
  /** Told as it grows. */
  readonly progress: (rows: number, bytes: number, parts: readonly Part[]) => void;
  readonly signal: AbortSignal;
};

/** Writes lines as the parts of an export, each a whole file of its format, hashed and on disk. Throws what the lines throw, or the signal's reason. */
export const writeParts = async (config: PartsConfig, job: ExportJob, lines: AsyncIterator<Buffer>, deps: PartsDeps): Promise<Written> => {
  const tally = newTally();
  const parts: Part[] = [];
  let rows = 0;
  let bytes = 0;
  let next = await lines.next();

  async function* onePart(): AsyncGenerator<Buffer, void, void> {
    const format = formatOf(job.format, { csvRaw: job.csv_raw ?? false });
    if (format.begin) yield Buffer.from(format.begin);
    for (let taken = 0; !next.done && taken < config.part_bytes; next = await lines.next()) {
      deps.signal.throwIfAborted();
      const chunk = next.value;
      yield format.lines(chunk, taken === 0);
      rows += tally.add(chunk);
      taken += chunk.length;
      await turn();
    }
    yield Buffer.from(format.end());
  }

  do {
    const name = nameOf(job, parts.length + 1);
    const before = rows;
    const hash = createHash('sha256');
    let size = 0;
    const file = await open(deps.place(name), 'w', 0o600);
    try {
      for await (const piece of compressed(onePart(), job.compression)) {
        hash.update(piece);
        size += piece.length;
        await file.writeFile(piece);
        deps.progress(rows, bytes + size, parts);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    bytes += size;
    parts.push({ name, rows: rows - before, bytes: size, sha256: hash.digest('hex') });
  } while (!next.done);
  return { rows, parts, ...tally.done() };
};
