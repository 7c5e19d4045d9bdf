import { reachesAll } from '../caller/grant.js';
import type { Caller } from '../caller/types.js';
import { type Residency, residencyOf } from '../evaluate/directory/residency.js';
import type { Directory, Entity, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { isObject, type JsonObject, nearest, newAjv, newUlid, sayError } from '../event/index.js';
import type { Compression, ExportFormat } from '../export/index.js';
import type { ForwarderFilter } from '../forward/index.js';
import { hasMask, MASK, masked, SecretError, type Secrets, sealed } from '../outbound/index.js';
import { cronFault } from './cron.js';
import { type ExportSchedule, putSchedule, readSchedule, SCHEDULE_TYPE } from './definition.js';
import { PLACES, type PlaceDeps } from './destinations.js';

/** What a caller may say of a schedule. */
export type ScheduleWish = {
  readonly name: string;
  readonly accounts?: 'all' | readonly string[];
  readonly filter?: ForwarderFilter;
  readonly format?: ExportFormat;
  readonly compression?: Compression;
  readonly cron: string;
  readonly time_zone?: string;
  readonly destination: JsonObject;
  readonly region?: string;
  /** RFC 3339, or a date: what was recorded from then on is in the first run. Now, where it is absent. */
  readonly since?: string;
};

export type ShownSchedule = { readonly id: string } & Omit<ExportSchedule, 'wanted'>;

export type ScheduleOutcome =
  | { readonly outcome: 'made' | 'changed'; readonly schedule: ShownSchedule }
  | { readonly outcome: 'removed' }
  | { readonly outcome: 'not_found' }
  /** 422, or 403 for what begins with `caller.` and for residency; `account` is the one that it is about. */
  | { readonly outcome: 'refused'; readonly code: string; readonly message: string; readonly account?: string }
  | { readonly outcome: 'unavailable'; readonly message: string };

export type RequestMeta = { readonly requestId: string; readonly address: string };

export type ScheduleDeskDeps = Pick<PlaceDeps, 'base' | 'dial'> & {
  readonly directory: Pick<Directory, 'get' | 'list' | 'generation'>;
  readonly write: (caller: Caller, changes: readonly EntityChange[], meta: RequestMeta) => Promise<readonly EntityOutcome[]>;
  readonly secrets: Secrets;
  readonly now?: () => number;
};

const MOST = 100;
const MOST_BYTES = 24 * 1024;
const ATTEMPTS = 10;
const TIME = /^\d{4}-\d{2}-\d{2}($|T)/;

const refuse = (code: string, message: string, account?: string): ScheduleOutcome => ({
  outcome: 'refused',
  code,
  message,
  ...(account !== undefined && { account }),
});

/** A schedule as it may be shown: without any secret. */
export const showSchedule = (id: string, schedule: ExportSchedule): ShownSchedule => {
  const { destination, wanted: _wanted, ...rest } = schedule;
  const { type, ...config } = destination;
  return { id, ...rest, destination: { type, ...masked(config, PLACES.get(type)?.schema) } };
};

/** What a schedule's event shows of it. */
export const redactSchedule = (entity: Entity): JsonObject => {
  const schedule = readSchedule(entity);
  return schedule ? (showSchedule(entity.id, schedule) as unknown as JsonObject) : {};
};

const notWritten = (outcome: EntityOutcome): ScheduleOutcome =>
  outcome.outcome === 'unavailable'
    ? { outcome: 'unavailable', message: outcome.reason }
    : { outcome: 'unavailable', message: 'The schedule is being changed by others at this moment; try again.' };

/** Makes, shows, changes and removes schedules, each a directory entity of type `verdict.export_schedule`. */
export const scheduleDesk = (deps: ScheduleDeskDeps) => {
  const now = deps.now ?? Date.now;
  const residency: Residency = residencyOf(deps.directory);
  const ajv = newAjv({ useDefaults: true });
  ajv.addKeyword('x-secret');
  const validators = new Map([...PLACES].map(([type, { schema }]) => [type, ajv.compile({ ...schema })]));

  const ownerOf = (id: string): string => `${SCHEDULE_TYPE}/${id}`;

  const destinationOf = (id: string, given: JsonObject): ExportSchedule['destination'] | ScheduleOutcome => {
    const { type, ...config } = given;
    const place = PLACES.get(String(type));
    if (!place) {
      const names = [...PLACES.keys()];
      const near = nearest(String(type), names);
      return refuse(
        'schedule.destination',
        `There is no place "${String(type).slice(0, 64)}" for exports; there are ${names.join(', ')}.${near ? ` Did you mean "${near}"?` : ''}`,
      );
    }
    const plain = structuredClone(config) as JsonObject;
    const validate = validators.get(place.type) as ReturnType<typeof ajv.compile>;
    if (!validate(plain)) return refuse('schedule.destination', sayError(validate.errors, 'destination'));
    if (hasMask(plain, place.schema)) return refuse('schedule.secrets', `${MASK} stands for a secret that is kept; give the secret itself.`);
    try {
      place.make(plain, { ...deps, now });
      return { ...sealed(deps.secrets, ownerOf(id), plain, undefined, place.schema), type: place.type };
    } catch (error) {
      return refuse(error instanceof SecretError ? error.code : 'schedule.destination', (error as Error).message);
    }
  };

  const accountsOf = (caller: Caller, { accounts }: ScheduleWish): ExportSchedule['accounts'] | undefined => {
    if (accounts !== undefined) return accounts;
    if (caller.accounts === 'all') return 'all';
    return caller.accounts.length === 1 ? caller.accounts : undefined;
  };

  const reachFault = (caller: Caller, accounts: ExportSchedule['accounts'], region: string | undefined): ScheduleOutcome | undefined => {
    if (!reachesAll(caller, accounts)) {
      if (accounts === 'all') return refuse('caller.account', 'Only a credential for all accounts can export the events of all accounts.');
      const account = accounts.find((one) => !reachesAll(caller, [one])) as string;
      return refuse('caller.account', `This credential can't export the events of account ${account}: it has no access there.`, account);
    }
    const kept = accounts === 'all' ? undefined : accounts.find((one) => !residency(one, region));
    if (kept === undefined) return undefined;
    const where = region === undefined ? 'names no region' : `lies in ${region}`;
    return refuse('schedule.residency', `The events of account ${kept} stay in the regions that its entity names; this destination ${where} ("region").`, kept);
  };

  const list = (): readonly (readonly [Entity, ExportSchedule])[] =>
    deps.directory.list(SCHEDULE_TYPE, { limit: MOST * 2 }).flatMap((entity) => {
      const schedule = readSchedule(entity);
      return schedule ? [[entity, schedule] as const] : [];
    });

  const find = (caller: Caller, id: string): readonly [Entity, ExportSchedule] | undefined => {
    const entity = deps.directory.get(SCHEDULE_TYPE, id);
    const schedule = entity && readSchedule(entity);
    return schedule && reachesAll(caller, schedule.accounts) ? [entity, schedule] : undefined;
  };

  const change = async (caller: Caller, id: string, meta: RequestMeta, next: (schedule: ExportSchedule) => ExportSchedule): Promise<ScheduleOutcome> => {
    let last: EntityOutcome | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const standing = find(caller, id);
      if (!standing) return { outcome: 'not_found' };
      const made = next(standing[1]);
      [last] = await deps.write(caller, [putSchedule(id, made, standing[0].version)], meta);
      if (last?.outcome === 'applied') return { outcome: 'changed', schedule: showSchedule(id, made) };
      if (last?.outcome !== 'version_mismatch') break;
    }
    return notWritten(last ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' });
  };

  return {
    create: async (caller: Caller, wish: ScheduleWish, meta: RequestMeta): Promise<ScheduleOutcome> => {
      const { name, filter = {}, format = 'jsonl', compression, cron, time_zone = 'UTC', region, since } = wish;
      const accounts = accountsOf(caller, wish);
      if (accounts === undefined) return refuse('schedule.accounts', 'This credential has several accounts: name those whose events are meant in "accounts".');
      const fault = cronFault(cron, time_zone);
      if (fault !== undefined) return refuse('schedule.cron', fault);
      const from = since === undefined ? now() : TIME.test(since) ? Date.parse(since) : Number.NaN;
      if (Number.isNaN(from)) return refuse('schedule.since', '"since" must be a date or an RFC 3339 time.');
      const reach = reachFault(caller, accounts, region);
      if (reach) return reach;
      if (list().length >= MOST) return refuse('schedule.limit', `There are ${MOST} schedules already; remove one.`);
      if (!isObject(wish.destination)) return refuse('schedule.destination', '"destination" must be an object.');
      const id = newUlid();
      const destination = destinationOf(id, wish.destination);
      if ('outcome' in destination) return destination as ScheduleOutcome;
      const schedule: ExportSchedule = {
        name,
        accounts,
        filter,
        format,
        ...(compression && { compression }),
        cron,
        time_zone,
        destination,
        ...(region !== undefined && { region }),
        paused: false,
        through: new Date(from).toISOString(),
        runs: [],
        created: new Date(now()).toISOString(),
        created_by: caller.id,
      };
      if (Buffer.byteLength(JSON.stringify(schedule)) > MOST_BYTES)
        return refuse('schedule.too_large', `A schedule has at most ${MOST_BYTES} bytes: name fewer accounts or actions.`);
      const [outcome] = await deps.write(caller, [putSchedule(id, schedule, 0)], meta);
      return outcome?.outcome === 'applied'
        ? { outcome: 'made', schedule: showSchedule(id, schedule) }
        : notWritten(outcome ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' });
    },
    list: (caller: Caller): readonly ShownSchedule[] =>
      list().flatMap(([{ id }, schedule]) => (reachesAll(caller, schedule.accounts) ? [showSchedule(id, schedule)] : [])),
    get: (caller: Caller, id: string): ShownSchedule | undefined => {
      const standing = find(caller, id);
      return standing && showSchedule(id, standing[1]);
    },
    pause: (caller: Caller, id: string, meta: RequestMeta) => change(caller, id, meta, (schedule) => ({ ...schedule, paused: true })),
    resume: (caller: Caller, id: string, meta: RequestMeta) => change(caller, id, meta, (schedule) => ({ ...schedule, paused: false })),
    /** Asks for a run of what was recorded until now, whatever the plan says. */
    run: (caller: Caller, id: string, meta: RequestMeta) => change(caller, id, meta, (schedule) => ({ ...schedule, wanted: new Date(now()).toISOString() })),
    remove: async (caller: Caller, id: string, meta: RequestMeta): Promise<ScheduleOutcome> => {
      const standing = find(caller, id);
      if (!standing) return { outcome: 'not_found' };
      const [outcome] = await deps.write(caller, [{ change: newUlid(), type: SCHEDULE_TYPE, id, op: 'delete' }], meta);
      return outcome?.outcome === 'deleted' || outcome?.outcome === 'not_found'
        ? { outcome: 'removed' }
        : notWritten(outcome ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' });
    },
  };
};
export type ScheduleDesk = ReturnType<typeof scheduleDesk>;
