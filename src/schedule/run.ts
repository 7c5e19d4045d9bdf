import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Residency } from '../evaluate/directory/residency.js';
import { fromLine } from '../event/index.js';
import { type ExportJob, type JobFolder, writeParts } from '../export/index.js';
import { type Store, type Walk, walkStart } from '../store/index.js';
import type { ExportSchedule } from './definition.js';
import type { Delivery } from './destinations.js';

export type RunDeps = {
  readonly walk: Store['walk'];
  readonly residency: Residency;
  readonly jobs: JobFolder;
  /** A folder for the files of runs that are under way. */
  readonly scratch: string;
  readonly part_bytes: number;
  readonly keep_hours: number;
  readonly publicUrl: string;
  readonly now: () => number;
};

/** What a run made. `withheld`: events that may not leave their accounts' regions, by account. */
export type MadeRun = { readonly delivery: Delivery; readonly rows: number; readonly withheld: ReadonlyMap<string, number>; readonly clear: () => void };

/** After each page the store is left alone for a while: live decisions share its machine. */
const REST_MS = 20;

const slug = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64) || 'export';
const compact = (time: string): string => time.replaceAll(/[-:]/g, '').replace(/\.\d+/, '');

/**
 * Writes what was recorded from `schedule.through` up to, not including, `planned`, as files with a manifest. The same
 * range of the same record makes the same bytes, whoever makes them. Rejects where the store fails.
 */
export const makeRun = async (id: string, schedule: ExportSchedule, planned: string, deps: RunDeps, signal: AbortSignal): Promise<MadeRun> => {
  const { accounts, filter, format, compression, through, region } = schedule;
  const scratch = join(deps.scratch, id);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const withheld = new Map<string, number>();
  const walk: Walk = { from: Date.parse(through), to: Date.parse(planned) - 1, accounts, ...filter };

  const mayLeave = (line: string): boolean => {
    const { account } = fromLine(line);
    if (deps.residency(account, region)) return true;
    withheld.set(account, (withheld.get(account) ?? 0) + 1);
    return false;
  };
  async function* lines(): AsyncGenerator<Buffer, void, void> {
    for (let position: ReturnType<typeof walkStart> | undefined = walkStart(walk); position; ) {
      const page = await deps.walk(walk, position, { signal });
      const going = page.lines.filter((line) => line !== '' && mayLeave(line));
      if (going.length > 0) yield Buffer.from(`${going.join('\n')}\n`);
      position = page.next;
      await delay(REST_MS, undefined, { signal });
    }
  }

  const account = accounts !== 'all' && accounts.length === 1 ? accounts[0] : undefined;
  const job: ExportJob = {
    id: `exp-${id}`,
    ...(account !== undefined && { account }),
    filter: {},
    reach: accounts,
    format,
    ...(compression && { compression }),
    by: `schedule/${id}`,
    created: planned,
    policy: '',
  };
  const pathOf = (name: string): string => join(scratch, name);
  const written = await writeParts({ part_bytes: deps.part_bytes }, job, lines(), { place: pathOf, progress: () => undefined, signal });
  const manifest = {
    schedule: id,
    name: schedule.name,
    planned,
    from: through,
    to: planned,
    accounts,
    filter,
    format,
    ...(compression && { compression }),
    ...written,
    withheld: Object.fromEntries(withheld),
  };
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);

  const keep: Delivery['keep'] = () => {
    const { rows, parts, counts, logs } = written;
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const ended = new Date(deps.now()).toISOString();
    const expires = new Date(deps.now() + deps.keep_hours * 3_600_000).toISOString();
    const { id: kept, filter: asked, by, created, policy } = job;
    const told = {
      id: kept,
      ...(account !== undefined && { account }),
      filter: asked,
      format,
      ...(compression && { compression }),
      by,
      asked: created,
      policy,
      recorded_until: planned,
    };
    const made = deps.jobs.adopt(job, { ...told, rows, parts, counts, logs }, { state: 'done', rows, bytes, parts, ended, expires }, pathOf);
    return { url: `${deps.publicUrl}/v1/exports/${made}`, drop: () => deps.jobs.remove(made) };
  };
  return {
    delivery: { folder: `${slug(schedule.name)}/${compact(planned)}-${hash}`, parts: written.parts, pathOf, manifest: text, keep },
    rows: written.rows,
    withheld,
    clear: () => rmSync(scratch, { recursive: true, force: true }),
  };
};
