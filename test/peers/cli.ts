import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');

/** What a command came to. */
export type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

/** Runs the real binary in a folder, with these variables and no others but PATH. */
export const cliIn =
  (cwd: string, variables: Readonly<Record<string, string>>) =>
  (...args: readonly string[]): Promise<Ran> =>
    new Promise((done) => {
      const child = spawn(process.execPath, [BINARY, ...args], { cwd, env: { PATH: process.env['PATH'], ...variables } });
      let out = '';
      let err = '';
      child.stdout.on('data', (part: Buffer) => {
        out += part.toString();
      });
      child.stderr.on('data', (part: Buffer) => {
        err += part.toString();
      });
      child.on('close', (code) => done({ code, out, err }));
    });
