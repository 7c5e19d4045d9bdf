import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PolicyError } from '../bundle.js';

/** The folder of Rego and data to work on, and the OPA to do it with (its path, from `findOpa`). */
export type PolicyTask = { readonly source: string; readonly opa: string };

/** What one run of OPA gave. */
export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** The most that OPA may print: a full trace of a large policy is tens of megabytes. */
const MAX_PRINTED_BYTES = 256 * 1024 * 1024;

/**
 * Runs OPA inside the source folder: its file names, which stand in bundles and messages, then depend on nothing
 * outside. Resolves whatever OPA's exit code is; rejects with {@link PolicyError} if there is no such folder or OPA can't be run.
 */
export const runOpa = async ({ source, opa }: PolicyTask, args: readonly string[]): Promise<Ran> => {
  const folder = await stat(source).catch(() => undefined);
  if (!folder?.isDirectory()) throw new PolicyError(`${source} is not a folder of policies.`);
  return new Promise((done, fail) => {
    execFile(resolve(opa), args, { cwd: source, maxBuffer: MAX_PRINTED_BYTES }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') fail(new PolicyError(`${opa} could not be run: ${error.message}.`));
      else done({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
};

/** What OPA said when it failed. */
export const sayFailure = ({ stdout, stderr }: Ran): string => (stderr.trim() || stdout.trim() || 'no message').replace(/^error: /, '');
