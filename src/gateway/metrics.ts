import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const LATENCIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export type GatewayMetrics = ReturnType<typeof gatewayMetrics>;

/** What a gateway counts, added to its worker's registry. Names are stable: `verdict_gateway_*`. */
export const gatewayMetrics = (registry: Registry, state: () => { readonly inFlight: number; readonly tunnels: number; readonly isOpen: boolean }) => {
  const registers = [registry];
  const whole = new Histogram({
    name: 'verdict_gateway_seconds',
    help: "From a request's headers to its answer's headers, by HTTP status; decision, upstream and record included.",
    labelNames: ['status'],
    buckets: LATENCIES,
    registers,
  });
  const upstream = new Histogram({
    name: 'verdict_gateway_upstream_seconds',
    help: "From a request's forwarding to the upstream's headers, or to its failure.",
    buckets: LATENCIES,
    registers,
  });
  const counter = (name: string, help: string, label: string) => new Counter({ name, help, labelNames: [label], registers });
  const refused = counter('verdict_gateway_refused_total', 'Requests that the gateway answered itself, by code.', 'code');
  const broken = counter('verdict_gateway_broken_total', 'Answers whose body broke off, by code.', 'code');
  const followed = counter('verdict_gateway_entities_total', 'What answers said of entities, by what became of it.', 'outcome');
  const retries = new Counter({ name: 'verdict_gateway_retries_total', help: 'Requests asked again because a kept connection was closed.', registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('verdict_gateway_in_flight', 'Requests that are being answered.', () => state().inFlight);
  gauge('verdict_gateway_tunnels', 'Upgraded connections (WebSockets) that are open.', () => state().tunnels);
  gauge('verdict_gateway_breaker_open', 'Workers that have stopped asking the upstream because it does not answer.', () => (state().isOpen ? 1 : 0));
  return {
    answered: (seconds: number, status: number): void => whole.labels(String(status)).observe(seconds),
    asked: (seconds: number): void => upstream.observe(seconds),
    refused: (code: string): void => refused.labels(code).inc(),
    broken: (code: string): void => broken.labels(code).inc(),
    followed: (outcome: 'written' | 'failed'): void => followed.labels(outcome).inc(),
    retried: (): void => retries.inc(),
  };
};
