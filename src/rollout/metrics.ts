import { Counter, Gauge, Registry } from 'prom-client';
import type { RefusalCode } from './admit.js';

/** What the rollout counts, once for the whole family. Names are stable: `verdict_policy_*`. */
export const rolloutMetrics = () => {
  const registry = new Registry();
  const registers = [registry];
  const activations = new Counter({ name: 'verdict_policy_activations_total', help: 'Bundles that took the place of another, or were the first.', registers });
  const refusals = new Counter({ name: 'verdict_policy_refusals_total', help: 'Bundles that were not taken, by reason.', labelNames: ['reason'], registers });
  const failures = new Counter({
    name: 'verdict_policy_source_failures_total',
    help: 'Looks at the file or the bundle server that gave nothing usable.',
    registers,
  });
  const success = new Gauge({
    name: 'verdict_policy_last_success_timestamp_seconds',
    help: 'When the bundle in force was last found to be the one offered (Unix time).',
    registers,
  });
  const sequence = new Gauge({ name: 'verdict_policy_sequence', help: 'The highest metadata.sequence that was in force here.', registers });
  return {
    registry,
    activated: (): void => activations.inc(),
    refused: (code: RefusalCode): void => refusals.labels(code).inc(),
    failed: (): void => failures.inc(),
    succeeded: (now: number): void => success.set(now / 1000),
    highest: (value: number): void => sequence.set(value),
  };
};
