import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

export type RunningOpa = { readonly url: string; readonly stop: () => Promise<void> };

const START_MS = 20_000;

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });

const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    ({ ok }) => ok,
    () => false,
  );

/** The real OPA server over a folder of sources; `POST /` asks for `verdict/decision`. */
export const startOpaServer = async (opa: string, sources: string): Promise<RunningOpa> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['run', '--server', '--addr', `127.0.0.1:${port}`, '--set', 'default_decision=/verdict/decision', '--log-level', 'error', '-b', '.'];
  const child = spawn(opa, args, { cwd: sources, stdio: 'ignore' });
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  for (const end = Date.now() + START_MS; !(await answers(url)); await new Promise((resolve) => setTimeout(resolve, 50)))
    if (Date.now() > end || child.exitCode !== null) {
      await stop();
      throw new Error(`OPA did not answer at ${url} within ${START_MS} ms.`);
    }
  return { url, stop };
};
