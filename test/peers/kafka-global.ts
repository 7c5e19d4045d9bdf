import type { TestProject } from 'vitest/node';
import { kafkaPeer } from '../../scripts/peers/kafka.mjs';
import { startKafka } from './kafka.js';

/** Global set-up: one broker for every test file that calls `sharedKafka()`; each file uses a topic prefix of its own. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const { reason } = await kafkaPeer();
  if (reason !== undefined) {
    console.warn(reason);
    return () => Promise.resolve();
  }
  const kafka = await startKafka({ brokers: 1 });
  project.provide('kafkaBrokers', kafka.brokers);
  return kafka.stop;
};
