import type { EventDraft, JsonObject } from '../../event/index.js';
import { newEventId, SYSTEM_ACCOUNT } from '../../event/index.js';
import type { Store } from '../../store/index.js';
import type { JobFolder } from './folder.js';
import { type ExportJob, hasEnded, type JobManifest, type JobState, NOTHING_YET } from './job.js';
import { type Belongings, writeArchive } from './write-archive.js';
import { type PartsConfig, writeParts } from './write-parts.js';

export type RunnerConfig = PartsConfig & {
  /** How long an ended export is kept, in hours. */
  readonly keep_hours: number;
};

export type RunnerDeps = {
  readonly folder: JobFolder;
  readonly store: Pick<Store, 'scan'>;
  /** What an archive has beside events. */
  readonly belongings: Belongings;
  /** Records an act of Verdict's own, unless one of the same name was recorded before. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
  readonly warn: (sentence: string) => void;
  readonly now?: () => number;
};

const LOOK_MS = 500;
const PROGRESS_MS = 1_000;
const MOST_ATTEMPTS = 20;
const RETRY_MS = 1_000;
const MOST_PAUSE_MS = 60_000;

class Dismissed extends Error {
  override readonly name = 'Dismissed';
}

/** Runs exports one after the other, oldest first, and removes those whose time is over. What a crash broke off begins anew. */
export const exportRunner = (config: RunnerConfig, deps: RunnerDeps) => {
  const { folder } = deps;
  const now = deps.now ?? Date.now;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let complaint: string | undefined;
  const attempts = new Map<string, { readonly count: number; readonly after: number }>();

  const note = (job: ExportJob, action: 'export.finish' | 'export.expire', result: 'success' | 'failure', details: JsonObject) =>
    deps.record(
      {
        id: newEventId(),
        timestamp: new Date(now()).toISOString(),
        account: job.account ?? SYSTEM_ACCOUNT,
        kind: 'activity',
        actor: { type: 'service', id: 'verdict' },
        action,
        resource: { type: 'export', id: job.id },
        result,
        details,
        source: 'verdict',
      },
      `${action}/${job.id}`,
    );

  const expiry = (): string => new Date(now() + config.keep_hours * 3_600_000).toISOString();

  const finish = async (job: ExportJob, manifest: JobManifest): Promise<void> => {
    const { rows, parts, recorded_until } = manifest;
    await note(job, 'export.finish', 'success', { rows, recorded_until, parts: parts.map(({ name, sha256 }) => ({ name, sha256 })) });
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    folder.setState(job.id, { state: 'done', rows, bytes, parts, ended: new Date(now()).toISOString(), expires: expiry() });
  };

  const write = async (job: ExportJob): Promise<JobManifest> => {
    folder.clearParts(job.id);
    const started = new Date(now()).toISOString();
    folder.setState(job.id, { ...NOTHING_YET, state: 'running', started });
    const dismissed = new AbortController();
    const scan = deps.store.scan(job.filter, job.reach, { signal: AbortSignal.any([stopping.signal, dismissed.signal]) });
    let told = 0;
    const progress = (rows: number, bytes: number, parts: JobState['parts']): void => {
      if (Date.now() - told < PROGRESS_MS) return;
      told = Date.now();
      if (folder.isDismissed(job.id)) dismissed.abort(new Dismissed('Nobody wants it any more.'));
      folder.setState(job.id, { state: 'running', started, rows, bytes, parts });
    };
    const signal = AbortSignal.any([stopping.signal, dismissed.signal]);
    const recorded_until = new Date(scan.recorded).toISOString();
    const writing = { place: (name: string) => folder.part(job.id, name), progress, signal };
    const written = job.archive
      ? await writeArchive(job, scan.chunks, { ...writing, belongings: deps.belongings, recorded_until })
      : await writeParts(config, job, scan.chunks, writing);
    const { id, account, filter, format, compression, by, created, policy } = job;
    const manifest: JobManifest = {
      id,
      ...(account !== undefined && { account }),
      filter,
      format,
      ...(compression && { compression }),
      by,
      asked: created,
      policy,
      recorded_until,
      ...written,
    };
    folder.setManifest(id, manifest);
    return manifest;
  };

  const failed = async (job: ExportJob, error: Error): Promise<void> => {
    if (stopping.signal.aborted || folder.isDismissed(job.id)) return;
    const count = (attempts.get(job.id)?.count ?? 0) + 1;
    deps.warn(`The export ${job.id} broke off (attempt ${count} of ${MOST_ATTEMPTS}): ${error.message}`);
    attempts.set(job.id, { count, after: now() + Math.min(RETRY_MS * 2 ** count, MOST_PAUSE_MS) });
    const message = `It broke off ${count} times, the last time because ${error.message}`;
    if (count < MOST_ATTEMPTS) return folder.setState(job.id, { ...NOTHING_YET, message: `${message} It is tried again.` });
    await note(job, 'export.finish', 'failure', { reason: error.message });
    folder.clearParts(job.id);
    folder.setState(job.id, { ...NOTHING_YET, state: 'failed', message, ended: new Date(now()).toISOString(), expires: expiry() });
  };

  const run = async (job: ExportJob): Promise<void> => {
    try {
      // A manifest that is there was written when all parts were on disk: only the end was not told yet.
      await finish(job, folder.manifest(job.id) ?? (await write(job)));
      attempts.delete(job.id);
    } catch (error) {
      await failed(job, error as Error);
    }
  };

  const look = async (): Promise<void> => {
    folder.tidy(now());
    for (const id of folder.ids()) {
      if (stopping.signal.aborted) return;
      const job = folder.job(id) as ExportJob;
      const state = folder.state(id);
      if (folder.isDismissed(id)) folder.remove(id);
      else if (!hasEnded(state)) {
        if ((attempts.get(id)?.after ?? 0) <= now()) await run(job);
      } else if (state.expires !== undefined && Date.parse(state.expires) <= now()) {
        await note(job, 'export.expire', 'success', {});
        folder.remove(id);
      }
    }
  };

  const turn = async (): Promise<void> => {
    try {
      await look();
      complaint = undefined;
    } catch (error) {
      complaint = `The exports in ${folder.path} can't be run: ${(error as Error).message}`;
      deps.warn(complaint);
    }
  };

  return {
    start: async (): Promise<void> => {
      timer = setInterval(() => {
        running ??= turn().finally(() => {
          running = undefined;
        });
      }, LOOK_MS);
    },
    /** Breaks off what runs: it begins anew at the next start. */
    stop: async (): Promise<void> => {
      clearInterval(timer);
      stopping.abort(new Error('This node stops.'));
      await running;
    },
    trouble: (): string | undefined => complaint,
  };
};
