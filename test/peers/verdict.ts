import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

/** A real Verdict: the whole process family on a free port in a temporary folder. */
export type RunningVerdict = {
  readonly url: string;
  readonly token: string;
  readonly folder: string;
  readonly child: ChildProcess;
  /** What it wrote so far to both outputs. */
  readonly output: () => string;
  /** The process ids of the family at the moment; the first is the supervisor's. */
  readonly processes: () => readonly number[];
  /** Ends it as Ctrl-C does; resolves with the exit code. */
  readonly stop: () => Promise<number | null>;
};

export type VerdictOptions = {
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** `serve`, where nothing else is said. */
  readonly command?: 'serve' | 'gateway';
  /** A command to run it under, such as strace. */
  readonly under?: readonly string[];
};

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');
const READY = /Verdict listens on (https?:\/\/\S+)/;
const START_MS = 60_000;

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'verdict-test-'));

export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

/** Families that a test left running, as one that failed does: they end with its file. */
const running = new Set<() => void>();
afterAll(() => {
  for (const end of running) {
    try {
      end();
    } catch {
      // It has ended, or its folder is gone.
    }
  }
});

/** Starts it; resolves when it listens. Rejects with what it said where it ends instead. */
export const startVerdict = async (options: VerdictOptions = {}): Promise<RunningVerdict> => {
  const folder = options.folder ?? temporaryFolder();
  const [command, ...args] = [...(options.under ?? []), process.execPath, BINARY, options.command ?? 'serve', ...(options.args ?? [])] as [string, ...string[]];
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, VERDICT_DATA_DIR: join(folder, 'data'), VERDICT_HTTP_PORT: '0', VERDICT_LOG_LEVEL: 'warn', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const url = await new Promise<string>((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`Verdict did not listen within ${START_MS} ms:\n${output}`)), START_MS);
    const look = (): void => {
      const match = READY.exec(output);
      if (!match) return;
      clearTimeout(timer);
      found(match[1] as string);
    };
    child.stdout?.on('data', look);
    void exited.then((code) => {
      clearTimeout(timer);
      failed(new Error(`Verdict ended with code ${code}:\n${output}`));
    });
  });
  const data = options.env?.['VERDICT_DATA_DIR'] ?? join(folder, 'data');
  const processes = (): readonly number[] => (JSON.parse(readFileSync(join(data, 'processes.json'), 'utf8')) as { pid: number }[]).map((mark) => mark.pid);
  const end = (): void => {
    child.kill('SIGKILL');
    for (const pid of processes()) process.kill(pid, 'SIGKILL');
  };
  running.add(end);
  void exited.then(() => running.delete(end));
  return {
    url,
    token: options.env?.['VERDICT_ADMIN_TOKEN'] ?? readFileSync(join(data, 'admin-token'), 'utf8').trim(),
    folder,
    child,
    output: () => output,
    processes,
    stop: async () => {
      // Under another command the child is that one; the supervisor is told itself.
      if (child.exitCode === null && child.signalCode === null) process.kill(processes()[0] as number, 'SIGINT');
      return exited;
    },
  };
};

/** Runs a start that must fail: its exit code and what it said. */
export const failedStart = async (options: VerdictOptions): Promise<{ readonly code: number | null; readonly output: string }> => {
  const [command, ...args] = [...(options.under ?? []), process.execPath, BINARY, options.command ?? 'serve', ...(options.args ?? [])] as [string, ...string[]];
  const child = spawn(command, args, {
    cwd: options.folder ?? temporaryFolder(),
    env: { ...process.env, VERDICT_HTTP_PORT: '0', VERDICT_LOG_LEVEL: 'warn', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const code = await new Promise<number | null>((done) => child.once('close', done));
  clearTimeout(timer);
  return { code, output };
};

export type Answer = { readonly status: number; readonly body: string; readonly headers: Readonly<Record<string, string | string[] | undefined>> };

/** A keep-alive client of one node. Rejects where the connection breaks: no answer. */
export const clientOf = (node: { readonly url: string; readonly token: string }) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    new Promise((done, failed) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const outgoing = request(
        `${node.url}${path}`,
        {
          method,
          agent,
          timeout: 30_000,
          headers: {
            authorization: `Bearer ${node.token}`,
            ...(text !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8'), headers: response.headers }));
          response.on('error', failed);
          response.on('aborted', () => failed(new Error('The answer broke off.')));
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('No answer within 30 s.')));
      outgoing.on('error', failed);
      outgoing.end(text);
    });
  return {
    call,
    json: async <T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> => {
      const answer = await call(method, path, body, headers);
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`);
      return JSON.parse(answer.body) as T;
    },
    close: () => agent.destroy(),
  };
};

/** Waits until `check` gives something, asking every 100 ms. */
export const until = async <T>(what: string, check: () => Promise<T | undefined> | T | undefined, ms = 30_000): Promise<T> => {
  const end = Date.now() + ms;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`Waited ${ms} ms in vain for: ${what}`);
    await new Promise((resolve_) => setTimeout(resolve_, 100));
  }
};
