import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reason } from '../../event/index.js';
import { type JsonObject, newAjv } from '../../event/index.js';
import type { WrittenEntity } from '../directory/fixed.js';
import type { Question } from '../question.js';
import { batchSchema, caseFileSchema, caseSchema } from './case-schema.js';
import { expectValid, readWritten, WrittenError } from './written.js';

/** Who asks, where a case is not about a platform's own credential: `all` accounts and every permission. */
export type CaseCaller = { readonly accounts?: 'all' | readonly string[]; readonly permissions?: readonly string[] };

/**
 * One decision as it should come out. What is left out of `event` may be anything; lists are
 * whole, and so are `event.decision.facts`. The order of reasons and of advice doesn't matter.
 */
export type DecisionCase = {
  readonly name: string;
  readonly question: Question;
  readonly answer: {
    readonly allow: boolean;
    readonly reasons: readonly (Pick<Reason, 'code'> & Partial<Reason>)[];
    /** None, where it is left out. */
    readonly advice?: readonly JsonObject[];
  };
  /** The event of the decision; without it only the answer counts. */
  readonly event?: JsonObject;
  /** The events that the decision causes beside its own, in order; none, where it is left out. */
  readonly further_events?: readonly JsonObject[];
  readonly caller?: CaseCaller;
  /** What the clock says (RFC 3339); the machine's own, where it is left out. */
  readonly now?: string;
};

/** Several questions of one request, each decided by itself: `answers` and `events` are in the order of `questions`. */
export type BatchCase = Pick<DecisionCase, 'name' | 'caller' | 'now'> & {
  readonly questions: readonly Question[];
  readonly answers: readonly DecisionCase['answer'][];
  readonly events?: readonly JsonObject[];
};

/** One file of cases: what the directory holds, and what is asked of it. */
export type CaseFile = {
  readonly file: string;
  readonly directory: readonly WrittenEntity[];
  readonly cases: readonly DecisionCase[];
  readonly batches?: readonly BatchCase[];
};

const ajv = newAjv();
const isCaseFile = ajv.compile<{ readonly directory: readonly WrittenEntity[]; readonly cases: readonly unknown[] }>(caseFileSchema);
const isBatch = ajv.compile<BatchCase>(batchSchema);
const isCase = ajv.compile<DecisionCase>(caseSchema);

const nameOf = (value: unknown, index: number): string => {
  const name = (value as { readonly name?: unknown } | null)?.name;
  return typeof name === 'string' && name !== '' ? `case "${name}"` : `case ${index + 1}`;
};

/** Reads one file of cases. Throws {@link WrittenError}, which names file, line, case and mistake. */
export const parseCases = (text: string, file: string): CaseFile => {
  const written = readWritten(text, file);
  expectValid(isCaseFile, written.value, { file, written, path: [], what: 'file' });
  const { directory, cases, batches = [] } = written.value as Omit<CaseFile, 'file'>;
  const seen = new Set<string>();
  const check = (one: DecisionCase | BatchCase, path: readonly ['cases' | 'batches', number]): void => {
    expectValid(path[0] === 'cases' ? isCase : isBatch, one, { file, written, path, what: nameOf(one, path[1]) });
    if (seen.has(one.name)) throw new WrittenError(`${file}:${written.lineOf(path)}: two cases are named "${one.name}".`);
    seen.add(one.name);
  };
  cases.forEach((one, index) => {
    check(one, ['cases', index]);
  });
  batches.forEach((one, index) => {
    check(one, ['batches', index]);
  });
  return { file, directory, cases, ...(batches.length > 0 && { batches }) };
};

/** Reads all files of cases in a folder (`*.yaml`), in order of name. Rejects with {@link WrittenError}. */
export const readCases = async (folder: string): Promise<readonly CaseFile[]> => {
  const names = await readdir(folder).catch((error: Error) => {
    throw new WrittenError(`${folder} is not a folder of cases: ${error.message}.`);
  });
  const files = names.filter((name) => /\.ya?ml$/.test(name)).sort();
  if (files.length === 0) throw new WrittenError(`${folder} has no cases: *.yaml is looked for.`);
  return Promise.all(files.map(async (name) => parseCases(await readFile(join(folder, name), 'utf8'), join(folder, name))));
};
