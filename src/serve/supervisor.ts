import { type ChildProcess, fork } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from 'pino';
import type { EventDraft } from '../event/index.js';
import type { FromChild, PartStatus, Start, ToChild } from './messages.js';

export type SupervisorOptions = {
  /** The compiled entry of every child process: it runs as the role in its first argument. */
  readonly entry: string;
  readonly slots: readonly string[];
  readonly policyTimeoutMs: number;
  /** How long a child may take to end, in milliseconds. */
  readonly stopMs: number;
  readonly start: Omit<Start, 'kind' | 'slot' | 'slots' | 'port' | 'reason'>;
  readonly port: number;
  readonly log: Logger;
  /** Told whenever the set of children changes. */
  readonly onProcesses: (pids: readonly number[]) => void;
  /** Told where a worker listens beside the API; each worker says so. */
  readonly onFront?: (name: string, url: string) => void;
  /** A child can't go on and neither can the family: the sentence says why. */
  readonly onFatal: (message: string) => void;
  /** One text of what the children counted, and of how many seconds ago the pipeline last spoke. */
  readonly aggregate: (metrics: readonly unknown[], pipelineSilence: number) => Promise<string>;
};

export type Supervisor = {
  /** Resolves with the port when every decision worker listens. */
  readonly start: () => Promise<number>;
  /** Ends the family in order: workers answer what is in flight and close their logs, then the pipeline hands on what it can. */
  readonly stop: () => Promise<void>;
  /** From now on, all decide by this bundle: those that run, and those that take their place. */
  readonly reload: (bundle: Uint8Array) => void;
  /** Has the pipeline record an event; resolves when it is durable. A pipeline that takes another's place is told again. */
  readonly record: (draft: EventDraft) => Promise<void>;
  /** Lets the supervisor add what it knows itself (the embedded store). */
  readonly report: (part: PartStatus) => void;
};

type Member = {
  readonly role: string;
  readonly reason: Start['reason'];
  readonly child: ChildProcess | Worker;
  readonly pid: number;
  /** The bundle that it was told last. */
  bundle: Uint8Array | undefined;
  /** The port that it was told to listen on. */
  port: number;
  beat: number;
  ready: boolean;
  parts: readonly PartStatus[];
};

const STATUS_MS = 500;
const METRICS_MS = 2_000;
const QUICK_DEATH_MS = 2_000;
const MOST_PAUSE_MS = 5_000;
/** The pipeline speaks every half second; one that has been silent for so long stands still. It may come back: it is not killed. */
const SILENT_MS = 5_000;

/** Starts, watches, replaces and stops the decision workers and the pipeline. Decides nothing and holds no data. */
export const createSupervisor = (options: SupervisorOptions): Supervisor => {
  const members = new Map<string, Member>();
  const own = new Map<string, PartStatus>();
  const pauses = new Map<string, number>();
  const collections = new Map<number, (metrics: unknown) => void>();
  const recordings = new Map<string, { readonly draft: EventDraft; readonly done: () => void }>();
  let isStopping = false;
  let port = options.port;
  let { bundle } = options.start;
  let collection = 0;
  let pipelineSpoke = Date.now();
  let announce: ((port: number) => void) | undefined;
  const timers: NodeJS.Timeout[] = [];

  cluster.setupPrimary({ exec: options.entry, args: ['decide'], serialization: 'advanced' });

  const tell = (member: Member | undefined, message: ToChild): void => {
    if (member?.child && isConnected(member.child)) member.child.send(message, () => undefined);
  };
  const workers = (): readonly Member[] => [...members.values()].filter((member) => member.role !== 'pipeline');

  const begin = (member: Member): void => {
    member.bundle = bundle;
    // node:cluster shares a socket among those who ask for the same port: with 0, the number it became is another one.
    member.port = workers().find((one) => one.ready)?.port ?? port;
    tell(member, {
      ...options.start,
      kind: 'start',
      bundle,
      ...(member.role !== 'pipeline' && { slot: member.role }),
      slots: options.slots,
      port: member.port,
      reason: member.reason,
    });
  };

  /** Tells a worker of the bundle in force, if it decides by another. One that is only starting hears of it when it is ready. */
  const update = (member: Member): void => {
    if (!member.ready || member.bundle === bundle) return;
    member.bundle = bundle;
    tell(member, { kind: 'reload', bundle });
  };

  const spawn = (role: string, reason: Start['reason']): void => {
    const child: ChildProcess | Worker = role === 'pipeline' ? fork(options.entry, ['pipeline'], { serialization: 'advanced' }) : cluster.fork();
    const pid = ('process' in child ? child.process.pid : child.pid) as number;
    const member: Member = { role, reason, child, pid, bundle: undefined, port, beat: Date.now(), ready: false, parts: [] };
    const born = Date.now();
    members.set(role, member);
    options.onProcesses([...members.values()].map((one) => one.pid));
    child.on('message', (message: FromChild) => receive(member, message));
    child.on('exit', (code: number | null, signal: string | null) => bury(member, born, code, signal));
    child.on('error', (error: Error) => options.log.error({ role, error: error.message }, 'a child process has trouble'));
  };

  const bury = (member: Member, born: number, code: number | null, signal: string | null): void => {
    if (members.get(member.role) === member) members.delete(member.role);
    if (isStopping) return;
    options.log.warn({ role: member.role, pid: member.pid, code, signal }, 'a child process ended; it is replaced');
    const wasQuick = Date.now() - born < QUICK_DEATH_MS;
    const pause = wasQuick ? Math.min((pauses.get(member.role) ?? 50) * 2, MOST_PAUSE_MS) : 0;
    pauses.set(member.role, pause);
    setTimeout(() => {
      if (!isStopping) spawn(member.role, 'replacement');
    }, pause);
  };

  const receive = (member: Member, message: FromChild): void => {
    if (member.role === 'pipeline') pipelineSpoke = Date.now();
    switch (message.kind) {
      case 'hello':
        begin(member);
        return;
      case 'ready':
        member.ready = true;
        member.beat = Date.now();
        pauses.delete(member.role);
        if (member.role === 'pipeline') for (const { draft } of recordings.values()) tell(member, { kind: 'record', draft });
        else update(member);
        if (message.port) port = message.port;
        if (workers().length === options.slots.length && workers().every((one) => one.ready)) announce?.(port);
        return;
      case 'beat':
        member.beat = Date.now();
        return;
      case 'fatal':
        // At the start it is the operator's to mend; later, the next attempt may do better, and the others go on.
        if (member.reason === 'start') options.onFatal(message.message);
        else options.log.error({ role: member.role, reason: message.message }, 'a replacement could not start; another one is tried');
        return;
      case 'release':
        tell(members.get(message.slot), { kind: 'release', log: message.log, through: message.through });
        return;
      case 'committed':
        tell(members.get('pipeline'), { kind: 'committed' });
        return;
      case 'recorded':
        recordings.get(message.event)?.done();
        recordings.delete(message.event);
        return;
      case 'parts':
        member.parts = message.parts;
        return;
      case 'metrics.json':
        collections.get(message.id)?.(message.metrics);
        return;
      case 'metrics.ask':
        void collect().then((text) => tell(member, { kind: 'metrics.text', id: message.id, text }));
        return;
      case 'front':
        options.onFront?.(message.name, message.url);
        return;
      case 'stopped':
        return;
      default:
        message satisfies never;
    }
  };

  const collect = async (): Promise<string> => {
    const asked = [...members.values()].filter((member) => member.ready);
    const answers = asked.map(
      (member) =>
        new Promise<unknown>((resolve) => {
          collection += 1;
          const id = collection;
          const done = (metrics: unknown): void => {
            clearTimeout(timer);
            collections.delete(id);
            resolve(metrics);
          };
          const timer = setTimeout(done, METRICS_MS, undefined);
          collections.set(id, done);
          tell(member, { kind: 'metrics.request', id });
        }),
    );
    const counted = (await Promise.all(answers)).filter((one) => one !== undefined);
    return options.aggregate(counted, (Date.now() - pipelineSpoke) / 1_000);
  };

  const parts = (): readonly PartStatus[] => {
    const pipeline = members.get('pipeline');
    return [...own.values(), pipelineStatus(pipeline?.ready === true, Date.now() - pipelineSpoke), ...(pipeline?.parts ?? [])];
  };

  // Messages that wait in this process's own queue are read first (setImmediate), here and in `watch`, so that a
  // pause of the supervisor is not taken for one of a child.
  const announceParts = (): void => {
    setImmediate(() => {
      const now = parts();
      for (const worker of workers()) tell(worker, { kind: 'parts', parts: now });
    });
  };

  // A worker that hasn't beaten for policy.timeout_ms stands still in an evaluation.
  const watch = (): void => {
    setImmediate(() => {
      for (const member of workers())
        if (member.ready && Date.now() - member.beat > options.policyTimeoutMs) {
          options.log.error(
            { role: member.role, pid: member.pid },
            `a decision worker stood still for ${options.policyTimeoutMs} ms (policy.timeout_ms); it is killed and replaced`,
          );
          process.kill(member.pid, 'SIGKILL');
          member.ready = false;
        }
    });
  };

  /** Resolves when it has ended: by itself, or, if it takes longer than it may, by force. */
  const ended = (member: Member): Promise<void> =>
    new Promise((resolve) => {
      if (!isRunning(member.pid)) return resolve();
      const late = setTimeout(() => {
        options.log.error({ role: member.role, pid: member.pid }, 'a child process did not end in time; it is killed');
        process.kill(member.pid, 'SIGKILL');
      }, options.stopMs);
      member.child.once('exit', () => {
        clearTimeout(late);
        resolve();
      });
    });

  return {
    start: () =>
      new Promise((resolve) => {
        announce = resolve;
        spawn('pipeline', 'start');
        for (const slot of options.slots) spawn(slot, 'start');
        timers.push(setInterval(watch, Math.max(50, options.policyTimeoutMs / 4)));
        timers.push(setInterval(announceParts, STATUS_MS));
      }),
    stop: async () => {
      isStopping = true;
      for (const timer of timers) clearInterval(timer);
      const answering = workers();
      for (const worker of answering) tell(worker, { kind: 'stop' });
      await Promise.all(answering.map(ended));
      const pipeline = members.get('pipeline');
      if (!pipeline) return;
      tell(pipeline, { kind: 'stop' });
      await ended(pipeline);
    },
    reload: (next) => {
      bundle = next;
      for (const worker of workers()) update(worker);
    },
    record: (draft) =>
      new Promise((done) => {
        recordings.set(draft.id, { draft, done });
        const pipeline = members.get('pipeline');
        if (pipeline?.ready) tell(pipeline, { kind: 'record', draft });
      }),
    report: (part) => {
      own.set(part.name, part);
    },
  };
};

const pipelineStatus = (isReady: boolean, silence: number): PartStatus => {
  if (!isReady) return { name: 'pipeline', ok: false, message: 'The pipeline process is starting.' };
  if (silence <= SILENT_MS) return { name: 'pipeline', ok: true };
  const message = `The pipeline process has not spoken for ${Math.floor(silence / 1_000)} s: it stands still, and nothing is handed on from the journal. If it does not come back, kill it: another takes its place, and nothing is lost.`;
  return { name: 'pipeline', ok: false, message };
};

const isConnected = (child: ChildProcess | Worker): boolean => ('process' in child ? child.isConnected() : child.connected);

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
