import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { toSupervisor } from './messages.js';

const LATENCIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What a decision worker counts. Names are stable: `verdict_*`. */
export const workerMetrics = (journal: () => { readonly events: number; readonly bytes: number }, revision: () => string) => {
  const registry = new Registry();
  const registers = [registry];
  const answers = new Histogram({
    name: 'verdict_decision_seconds',
    help: 'From a decision request to its answer, its record on disk, by HTTP status.',
    labelNames: ['status'],
    buckets: LATENCIES,
    registers,
  });
  // Counted in plain numbers, and given to the counter when somebody looks: a batch makes twenty decisions at once.
  const decided = { allowed: 0, denied: 0 };
  new Counter({
    name: 'verdict_decisions_total',
    help: 'Decisions, by outcome.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.inc({ outcome: 'allowed' }, decided.allowed);
      this.inc({ outcome: 'denied' }, decided.denied);
      decided.allowed = 0;
      decided.denied = 0;
    },
  });
  const requests = new Counter({
    name: 'verdict_http_requests_total',
    help: 'Requests to the other routes.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  new Gauge({
    name: 'verdict_journal_events',
    help: 'Events on disk that the stream has not taken yet.',
    registers,
    collect() {
      this.set(journal().events);
    },
  });
  new Gauge({
    name: 'verdict_journal_bytes',
    help: 'Bytes on disk that the stream has not taken yet; journal.max_bytes is the end.',
    registers,
    collect() {
      this.set(journal().bytes);
    },
  });
  new Gauge({
    name: 'verdict_policy_info',
    help: 'Decision workers, by the revision of the policy bundle that they decide by.',
    labelNames: ['revision'],
    registers,
    collect() {
      this.reset();
      this.set({ revision: revision() }, 1);
    },
  });
  // A label look-up costs more than the count itself: the child of the hot path is made once.
  const ok = answers.labels('200');
  return {
    registry,
    decided: (isAllowed: boolean): void => {
      if (isAllowed) decided.allowed += 1;
      else decided.denied += 1;
    },
    answered: (seconds: number, status: number): void => {
      (status === 200 ? ok : answers.labels(String(status))).observe(seconds);
    },
    requested: ({ method, route, status }: { readonly method: string; readonly route: string; readonly status: number }): void =>
      requests.labels(method, route, String(status)).inc(),
  };
};

type ConsumerLag = { readonly name: string; readonly lag: () => { readonly events: number; readonly seconds: number } };

/** What metrics tell of one forwarder. */
type ForwarderCounts = {
  readonly id: string;
  readonly name: string;
  readonly status: {
    readonly state: string;
    readonly sent: number;
    readonly refused: number;
    readonly withheld: number;
    readonly lag: { readonly events: number; readonly seconds: number };
    readonly last_success?: string;
  };
};

/** One forwarder's counts are kept with it: they go on through restarts. */
const forwarderMetrics = (registers: Registry[], forwarders: () => readonly ForwarderCounts[]): void => {
  const labelNames = ['forwarder', 'name'] as const;
  const events = new Gauge({
    name: 'verdict_forwarder_events',
    help: 'Events of a forwarder, by what became of them.',
    labelNames: [...labelNames, 'outcome'],
    registers,
  });
  const lagEvents = new Gauge({ name: 'verdict_forwarder_lag_events', help: 'Events that a forwarder has not looked at yet.', labelNames, registers });
  const lagSeconds = new Gauge({
    name: 'verdict_forwarder_lag_seconds',
    help: 'The age of the oldest event that a forwarder has not looked at yet.',
    labelNames,
    registers,
  });
  const success = new Gauge({
    name: 'verdict_forwarder_last_success_timestamp_seconds',
    help: 'When its destination last took something.',
    labelNames,
    registers,
  });
  new Gauge({
    name: 'verdict_forwarder_state',
    help: 'Forwarders, by the state that they are in.',
    labelNames: [...labelNames, 'state'],
    registers,
    collect() {
      for (const gauge of [this, events, lagEvents, lagSeconds, success]) gauge.reset();
      for (const { id: forwarder, name, status } of forwarders()) {
        this.set({ forwarder, name, state: status.state }, 1);
        for (const outcome of ['sent', 'refused', 'withheld'] as const) events.set({ forwarder, name, outcome }, status[outcome]);
        lagEvents.set({ forwarder, name }, status.lag.events);
        lagSeconds.set({ forwarder, name }, status.lag.seconds);
        if (status.last_success !== undefined) success.set({ forwarder, name }, Date.parse(status.last_success) / 1000);
      }
    },
  });
};

type PipelineSources = {
  readonly consumers: () => readonly ConsumerLag[];
  readonly quarantined: () => number;
  readonly forwarders: () => readonly ForwarderCounts[];
};

/** What the pipeline counts. */
export const pipelineMetrics = ({ consumers, quarantined, forwarders }: PipelineSources) => {
  const registry = new Registry();
  const registers = [registry];
  const batches = new Counter({ name: 'verdict_insert_batches_total', help: 'Batches inserted into the store.', registers });
  const events = new Counter({ name: 'verdict_insert_events_total', help: 'Events inserted into the store.', registers });
  const bytes = new Counter({ name: 'verdict_insert_bytes_total', help: 'Bytes of events inserted into the store.', registers });
  const aside = new Counter({ name: 'verdict_quarantined_total', help: 'Events set aside.', registers });
  const durations = new Histogram({
    name: 'verdict_insert_seconds',
    help: 'One batch, from the stream to the disk of the store.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const lagEvents = new Gauge({
    name: 'verdict_consumer_lag_events',
    help: 'Events that a consumer has not handled yet.',
    labelNames: ['consumer'],
    registers,
  });
  const lagSeconds = new Gauge({
    name: 'verdict_consumer_lag_seconds',
    help: 'The age of the oldest event that a consumer has not handled yet.',
    labelNames: ['consumer'],
    registers,
    collect() {
      for (const { name, lag } of consumers()) {
        const behind = lag();
        lagEvents.labels(name).set(behind.events);
        this.labels(name).set(behind.seconds);
      }
    },
  });
  new Gauge({
    name: 'verdict_quarantine_events',
    help: 'Events that stand in quarantine.',
    registers,
    collect() {
      this.set(quarantined());
    },
  });
  void lagSeconds;
  forwarderMetrics(registers, forwarders);
  return {
    registry,
    inserted: (batch: { readonly events: number; readonly bytes: number; readonly quarantined: number; readonly seconds: number }): void => {
      batches.inc();
      events.inc(batch.events);
      bytes.inc(batch.bytes);
      aside.inc(batch.quarantined);
      durations.observe(batch.seconds);
    },
  };
};

/** What the supervisor itself knows: a pipeline that stands still can't say so. */
const supervisorMetrics = (pipelineSilence: number): Registry => {
  const registry = new Registry();
  new Gauge({
    name: 'verdict_pipeline_last_beat_seconds',
    help: 'How long ago the pipeline process last spoke; it does so every half second.',
    registers: [registry],
  }).set(pipelineSilence);
  return registry;
};

/** One text for the whole family, of what its processes counted; `pipelineSilence` is in seconds. */
export const aggregateMetrics = async (metrics: readonly unknown[], pipelineSilence: number): Promise<string> => {
  const all = [...metrics, await supervisorMetrics(pipelineSilence).getMetricsAsJSON()];
  return AggregatorRegistry.aggregate(all as Parameters<typeof AggregatorRegistry.aggregate>[0]).metrics();
};

const ANSWER_MS = 3_000;

/** What /metrics answers from: the whole family's counts, collected by the supervisor. */
export const familyMetrics = (onText: (listener: (id: number, text: string) => void) => void) => {
  let asked = 0;
  const waiting = new Map<number, (text: string) => void>();
  onText((id, text) => waiting.get(id)?.(text));
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    metrics: (): Promise<string> =>
      new Promise((resolve, reject) => {
        asked += 1;
        const id = asked;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error('The supervisor gave no metrics.'));
        }, ANSWER_MS);
        waiting.set(id, (text) => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(text);
        });
        toSupervisor({ kind: 'metrics.ask', id });
      }),
  };
};
