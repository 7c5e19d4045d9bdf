import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { describe } from 'vitest';
import { kafkaPeer } from '../../scripts/peers/kafka.mjs';

export type KafkaOptions = {
  /** How many; with 3 a leader can move. Each is broker and controller at once. */
  readonly brokers: 1 | 3;
  /** Lines for server.properties, laid over the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What clients speak; brokers speak plain text among themselves. */
  readonly client?: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** SCRAM users, as kafka-storage takes them: `SCRAM-SHA-256=[name=…,password=…]`. */
  readonly scram?: readonly string[];
};

/** Running brokers. Each `index` counts from 0. */
export type KafkaCluster = {
  /** Where clients connect. */
  readonly brokers: readonly string[];
  /** Listeners in plain text, whatever clients must speak. */
  readonly internal: readonly string[];
  readonly stop: () => Promise<void>;
  /** Ends one broker: SIGTERM hands its partitions over first, SIGKILL doesn't. Resolves when it is gone. */
  readonly kill: (index: number, signal: 'SIGTERM' | 'SIGKILL') => Promise<void>;
  /** Starts an ended broker again, on the same ports and folder; resolves when all brokers are there. */
  readonly restart: (index: number) => Promise<void>;
  /** Freezes a broker: its connections stay open and nothing answers. */
  readonly pause: (index: number) => void;
  readonly resume: (index: number) => void;
  readonly pid: (index: number) => number | undefined;
};

const READY_MS = 90_000;

/** Below the range of outgoing ports, so that nothing takes a broker's port while it is down. */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
};

type Node = { readonly id: number; readonly folder: string; readonly client: number; readonly internal: number; readonly controller: number };

const properties = (node: Node, nodes: readonly Node[], options: KafkaOptions): string => {
  const replicas = String(Math.min(3, nodes.length));
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(','),
    listeners: `CLIENT://127.0.0.1:${node.client},INTERNAL://127.0.0.1:${node.internal},CONTROLLER://127.0.0.1:${node.controller}`,
    'listener.security.protocol.map': `CLIENT:${options.client ?? 'PLAINTEXT'},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(node.folder, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '3',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '3',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'broker.session.timeout.ms': '4000',
    'controlled.shutdown.enable': 'true',
    'log.cleaner.dedupe.buffer.size': '4194304',
    'num.network.threads': '2',
    'num.io.threads': '4',
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
};

const LOG4J = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`;

const java = (folder: string, libs: string, args: readonly string[]): ChildProcess => {
  const flags = ['-Xmx256m', '-Xms64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`];
  const child = spawn('java', [...flags, '-cp', join(libs, '*'), ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(join(folder, 'output.log'), { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return child;
};

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

const said = (folder: string): string => readFileSync(join(folder, 'output.log'), 'utf8').split('\n').slice(-15).join('\n');

const format = async (node: Node, libs: string, cluster: string, scram: readonly string[]): Promise<void> => {
  const users = scram.flatMap((user) => ['--add-scram', user]);
  const child = java(node.folder, libs, ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', join(node.folder, 'server.properties'), ...users]);
  await ended(child);
  if (child.exitCode !== 0) throw new Error(`Kafka's storage could not be formatted:\n${said(node.folder)}`);
};

/** Waits until `count` brokers are in the cluster's metadata, and a group coordinator would be found. */
const ready = async (internal: readonly string[], count: number, alive: () => void): Promise<void> => {
  const kafka = new Kafka({ brokers: [...internal], logLevel: logLevel.NOTHING, retry: { retries: 0 }, connectionTimeout: 1000 });
  const end = Date.now() + READY_MS;
  while (Date.now() < end) {
    alive();
    const admin = kafka.admin();
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      // Coordinators load what groups left behind; until they have, whoever joins is turned away. Six names meet all of them.
      await admin.describeGroups(['a', 'b', 'c', 'd', 'e', 'f']);
      if (brokers.length >= count) return;
    } catch {
      // Not yet.
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
    await sleep(150);
  }
  throw new Error(`Kafka was not ready within ${READY_MS / 1000} s.`);
};

/** Starts Apache Kafka in KRaft mode on free ports, in a temporary folder. Throws where Java or Kafka can't be had. */
export const startKafka = async (options: KafkaOptions): Promise<KafkaCluster> => {
  const { libs, reason } = await kafkaPeer();
  if (libs === undefined) throw new Error(reason);
  const root = mkdtempSync(join(tmpdir(), 'verdict-kafka-'));
  const nodes: Node[] = [];
  for (let id = 1; id <= options.brokers; id += 1) {
    const folder = join(root, String(id));
    mkdirSync(folder);
    nodes.push({ id, folder, client: await freePort(), internal: await freePort(), controller: await freePort() });
  }
  const cluster = 'dmVyZGljdHZlcmRpY3QwMA';
  await Promise.all(
    nodes.map(async (node) => {
      appendFileSync(join(node.folder, 'output.log'), '');
      writeFileSync(join(node.folder, 'log4j2.properties'), LOG4J);
      writeFileSync(join(node.folder, 'server.properties'), properties(node, nodes, options));
      await format(node, libs, cluster, options.scram ?? []);
    }),
  );
  const children: ChildProcess[] = [];
  const start = (index: number): void => {
    const { folder } = nodes[index] as Node;
    children[index] = java(folder, libs, ['kafka.Kafka', join(folder, 'server.properties')]);
  };
  const child = (index: number): ChildProcess => {
    const found = children[index];
    if (!found) throw new Error(`There is no broker ${index}.`);
    return found;
  };
  const killAll = (): void => {
    for (const each of children) each.kill('SIGKILL');
  };
  process.once('exit', killAll);

  const internal = nodes.map((node) => `127.0.0.1:${node.internal}`);
  const stop = async (): Promise<void> => {
    process.off('exit', killAll);
    killAll();
    await Promise.all(children.map(ended));
    rmSync(root, { recursive: true, force: true });
  };
  const stillRunning = (index: number) => (): void => {
    const { exitCode, signalCode } = child(index);
    if (exitCode !== null || signalCode !== null) throw new Error(`Kafka ended at its start:\n${said((nodes[index] as Node).folder)}`);
  };
  const running = (): number => children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;

  try {
    for (const index of nodes.keys()) start(index);
    await ready(internal, nodes.length, () => {
      for (const index of nodes.keys()) stillRunning(index)();
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: nodes.map((node) => `127.0.0.1:${node.client}`),
    internal,
    stop,
    kill: async (index, signal) => {
      child(index).kill(signal);
      await ended(child(index));
    },
    restart: async (index) => {
      start(index);
      await ready([internal[index] as string], running(), stillRunning(index));
    },
    pause: (index) => void child(index).kill('SIGSTOP'),
    resume: (index) => void child(index).kill('SIGCONT'),
    pid: (index) => child(index).pid,
  };
};

/** `describe` for what needs Kafka: left out, with a sentence that says how to get it, where it can't be had. */
export const describeWithKafka = async (name: string, cases: () => void): Promise<void> => {
  const { reason } = await kafkaPeer();
  if (reason === undefined) describe(name, cases);
  else describe.skip(`${name} (${reason})`, cases);
};
