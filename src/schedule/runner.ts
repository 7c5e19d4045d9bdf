import type { Directory, Entity, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { type EventDraft, type JsonObject, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import { opened, retryPause, type Secrets } from '../outbound/index.js';
import { type Looked, type Plan, planOf } from './cron.js';
import { type ExportSchedule, type PastRun, putSchedule, readSchedule, SCHEDULE_TYPE } from './definition.js';
import { PLACES, type PlaceDeps } from './destinations.js';
import { makeRun, type RunDeps } from './run.js';

export type RunnerDeps = Omit<RunDeps, 'now'> &
  Omit<PlaceDeps, 'now'> & {
    readonly directory: Pick<Directory, 'get' | 'list' | 'generation'>;
    readonly isCopyFresh: () => boolean;
    readonly write: (change: EntityChange) => Promise<EntityOutcome>;
    readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
    readonly secrets: Secrets;
    readonly node: string;
    /** Everything recorded before this time is in the store, as far as this node can tell (milliseconds since 1970). */
    readonly completeUntil: () => number;
    /** How long after it was due a run waits for what is still on its way to the store, in milliseconds. */
    readonly settle_ms: number;
    readonly warn: (sentence: string) => void;
    readonly now?: () => number;
  };

const LOOK_MS = 1_000;
const PAGE = 500;
const CLAIM_MS = 120_000;
const RENEW_MS = 40_000;
const MOST_RUNS = 10;

type Standing = { readonly plan: Plan; readonly key: string; looked: Looked; attempts: number; after: number };

const accountOf = ({ accounts }: ExportSchedule): string => (accounts !== 'all' && accounts.length === 1 ? (accounts[0] as string) : SYSTEM_ACCOUNT);

/**
 * Runs what schedules plan, one run after the other. A run is claimed on the schedule's own entity before it begins, so
 * that in a fleet one node makes it; runs that were missed become one that reaches from the last to the latest.
 */
export const scheduleRunner = (deps: RunnerDeps) => {
  const now = deps.now ?? Date.now;
  const standing = new Map<string, Standing>();
  const stopping = new AbortController();
  let looking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const all = (): readonly Entity[] => {
    const found: Entity[] = [];
    for (let after: string | undefined; ; ) {
      const page = deps.directory.list(SCHEDULE_TYPE, { limit: PAGE, ...(after !== undefined && { after }) });
      found.push(...page);
      if (page.length < PAGE) return found;
      after = page.at(-1)?.id;
    }
  };

  const standingOf = (id: string, { cron, time_zone, through }: ExportSchedule): Standing => {
    const key = JSON.stringify([cron, time_zone, through]);
    const known = standing.get(id);
    if (known?.key === key) return known;
    known?.plan.end();
    const fresh = { plan: planOf(cron, time_zone), key, looked: { through: Date.parse(through), latest: undefined }, attempts: 0, after: 0 };
    standing.set(id, fresh);
    return fresh;
  };

  /** The time up to which there is something to run: the latest that was planned, or what somebody asked for. */
  const dueOf = (id: string, schedule: ExportSchedule): string | undefined => {
    const mine = standingOf(id, schedule);
    const until = now() - deps.settle_ms;
    mine.looked = mine.plan.look(mine.looked, until);
    const { latest } = mine.looked;
    const { wanted, through, paused } = schedule;
    const asked = wanted !== undefined && wanted > through && Date.parse(wanted) <= until ? Date.parse(wanted) : undefined;
    const planned = paused ? asked : Math.max(latest ?? 0, asked ?? 0) || undefined;
    if (planned === undefined || planned > deps.completeUntil() || now() < mine.after) return undefined;
    return new Date(planned).toISOString();
  };

  const isClaimed = ({ claim }: ExportSchedule): boolean => claim !== undefined && claim.node !== deps.node && Date.parse(claim.until) > now();

  /** Changes a schedule from what stands there; false where somebody else was faster. */
  const change = async (id: string, next: (schedule: ExportSchedule) => ExportSchedule | undefined): Promise<boolean> => {
    const entity = deps.directory.get(SCHEDULE_TYPE, id);
    const schedule = entity && readSchedule(entity);
    const made = schedule && next(schedule);
    if (!entity || !made) return false;
    return (await deps.write(putSchedule(id, made, entity.version))).outcome === 'applied';
  };

  const insist = async (id: string, next: (schedule: ExportSchedule) => ExportSchedule): Promise<void> => {
    for (let attempt = 0; attempt < 20; attempt += 1) if (await change(id, next)) return;
    throw new Error(`The schedule ${id} could not be written.`);
  };

  const claimUntil = (planned: string) => ({ node: deps.node, planned, until: new Date(now() + CLAIM_MS).toISOString() });

  const note = (id: string, schedule: ExportSchedule, planned: string, result: 'success' | 'failure', details: JsonObject, once: string) =>
    deps.record(
      {
        id: newEventId(),
        timestamp: new Date(now()).toISOString(),
        account: accountOf(schedule),
        kind: 'activity',
        actor: { type: 'service', id: 'verdict' },
        action: 'export.scheduled',
        resource: { type: 'export_schedule', id, name: schedule.name },
        result,
        details: { planned, ...details },
        source: 'verdict',
      },
      once,
    );

  const noteWithheld = async (id: string, planned: string, withheld: ReadonlyMap<string, number>, region: string | undefined): Promise<void> => {
    for (const [account, events] of withheld)
      await deps.record(
        {
          id: newEventId(),
          timestamp: new Date(now()).toISOString(),
          account,
          kind: 'activity',
          actor: { type: 'service', id: 'verdict' },
          action: 'export.withheld',
          resource: { type: 'export_schedule', id },
          result: 'failure',
          details: { planned, events, region: region ?? null },
          source: 'verdict',
        },
        `export.withheld/${id}/${planned}/${account}`,
      );
  };

  const ended = (schedule: ExportSchedule, run: PastRun): ExportSchedule => {
    const { claim: _claim, ...rest } = schedule;
    return { ...rest, runs: [run, ...schedule.runs].slice(0, MOST_RUNS), ...(run.state === 'done' && { through: run.planned }) };
  };

  const run = async (id: string, schedule: ExportSchedule, planned: string): Promise<void> => {
    const renewing = setInterval(() => void change(id, (now_) => ({ ...now_, claim: claimUntil(planned) })).catch(() => undefined), RENEW_MS);
    const from = schedule.through;
    const mine = standing.get(id) as Standing;
    try {
      const { type, ...config } = schedule.destination;
      const place = PLACES.get(type);
      if (!place) throw new Error(`There is no place "${type}".`);
      const deliver = place.make(opened(deps.secrets, `${SCHEDULE_TYPE}/${id}`, config, place.schema), { ...deps, now });
      const made = await makeRun(id, schedule, planned, { ...deps, now }, stopping.signal);
      const where = await deliver(made.delivery, stopping.signal);
      made.clear();
      await noteWithheld(id, planned, made.withheld, schedule.region);
      await note(id, schedule, planned, 'success', { from, rows: made.rows, place: where }, `export.scheduled/${id}/${planned}`);
      await insist(id, (now_) => ended(now_, { planned, from, ended: new Date(now()).toISOString(), state: 'done', rows: made.rows, place: where }));
      mine.attempts = 0;
    } catch (error) {
      if (stopping.signal.aborted) return;
      const reason = (error as Error).message;
      mine.attempts += 1;
      mine.after = now() + retryPause(mine.attempts);
      deps.warn(`The scheduled export "${schedule.name}" of ${planned} failed (attempt ${mine.attempts}): ${reason}`);
      if (mine.attempts === 1) await note(id, schedule, planned, 'failure', { from, reason }, `export.scheduled.failed/${id}/${planned}`);
      await insist(id, (now_) => ended(now_, { planned, from, ended: new Date(now()).toISOString(), state: 'failed', rows: 0, reason }));
    } finally {
      clearInterval(renewing);
    }
  };

  const look = async (): Promise<void> => {
    if (!deps.isCopyFresh()) return;
    const entities = all();
    for (const id of standing.keys())
      if (!entities.some((entity) => entity.id === id)) {
        standing.get(id)?.plan.end();
        standing.delete(id);
      }
    for (const entity of entities) {
      if (stopping.signal.aborted) return;
      const schedule = readSchedule(entity);
      if (!schedule || isClaimed(schedule)) continue;
      const planned = dueOf(entity.id, schedule);
      if (planned === undefined) continue;
      const claimed = await deps.write(putSchedule(entity.id, { ...schedule, claim: claimUntil(planned) }, entity.version));
      if (claimed.outcome === 'applied') await run(entity.id, schedule, planned);
    }
  };

  return {
    start: async (): Promise<void> => {
      timer = setInterval(() => {
        looking ??= look()
          .catch((error: unknown) => deps.warn(`Scheduled exports could not be looked after: ${(error as Error).message}`))
          .finally(() => {
            looking = undefined;
          });
      }, LOOK_MS);
    },
    /** Breaks off what runs: it begins anew at the next start. */
    stop: async (): Promise<void> => {
      clearInterval(timer);
      stopping.abort(new Error('This node stops.'));
      await looking;
      for (const { plan } of standing.values()) plan.end();
    },
    trouble: (): string | undefined => undefined,
  };
};
