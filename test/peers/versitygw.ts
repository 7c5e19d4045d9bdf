import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { describe } from 'vitest';
import { versitygwPeer } from '../../scripts/peers/versitygw.mjs';

export type S3Server = {
  readonly endpoint: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  /** A client to make buckets and to look with. */
  readonly client: S3Client;
  /** Ends the server as kill -9 does; its data stays. */
  readonly kill: () => Promise<void>;
  /** Starts it again, at the same address. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const READY_MS = 30_000;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Starts the Versity S3 Gateway over a temporary folder, on a free loopback port. Throws where it can't be had. */
export const startS3 = async (): Promise<S3Server> => {
  const { path, reason } = await versitygwPeer();
  if (path === undefined) throw new Error(reason);
  const root = mkdtempSync(join(tmpdir(), 'verdict-s3-'));
  const [data, versions] = [join(root, 'data'), join(root, 'versions')];
  mkdirSync(data);
  mkdirSync(versions);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const [access_key_id, secret_access_key] = ['verdict-test', 'the-secret-of-this-test'];
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
  });
  let child: ReturnType<typeof spawn> | undefined;
  const killNow = (): void => void child?.kill('SIGKILL');
  process.once('exit', killNow);

  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };

  const start = async (): Promise<void> => {
    child = spawn(path, ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--versioning-dir', versions, data], {
      cwd: root,
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], ROOT_ACCESS_KEY: access_key_id, ROOT_SECRET_KEY: secret_access_key },
    });
    for (const end = Date.now() + READY_MS; Date.now() < end; await sleep(50)) {
      if (child.exitCode !== null) throw new Error(`versitygw ended at its start, with code ${child.exitCode}.`);
      if (
        await fetch(endpoint).then(
          () => true,
          () => false,
        )
      )
        return;
    }
    throw new Error(`versitygw was not ready within ${READY_MS / 1000} s.`);
  };

  const stop = async (): Promise<void> => {
    process.off('exit', killNow);
    client.destroy();
    await kill();
    rmSync(root, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, access_key_id, secret_access_key, client, kill, start, stop };
};

/** `describe` for what needs an S3 server: left out, with a sentence that says how to get it, where it can't be had. */
export const describeWithS3 = async (name: string, cases: () => void): Promise<void> => {
  const { reason } = await versitygwPeer();
  if (reason === undefined) describe(name, cases);
  else describe.skip(`${name} (${reason})`, cases);
};
