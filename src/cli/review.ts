import { Command, Option } from 'commander';
import type { Grant, Review } from '../review/index.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { EXIT, Failure } from './failure.js';
import { printJson, printTable, remark } from './output.js';
import { counted } from './text.js';

type ReviewOptions = ConnectionOptions & { readonly account: string; readonly output: 'table' | 'json' | 'csv' };

const PATH = '/v1/entities/review';

const rowOf = ({ holder, name, kind, what, via, since, ends, last_used, findings }: Grant): readonly unknown[] => [
  name === null ? (holder ?? 'nobody') : `${holder} (${name})`,
  kind,
  what,
  via,
  since?.slice(0, 10),
  ends?.slice(0, 10),
  last_used ?? 'never',
  findings.map(({ code }) => code).join(', '),
];

/** `2 mfa.missing, 1 never_used`, the most frequent first. */
const summary = (grants: readonly Grant[]): string => {
  const counts = new Map<string, number>();
  for (const { code } of grants.flatMap(({ findings }) => findings)) counts.set(code, (counts.get(code) ?? 0) + 1);
  const said = [...counts].sort(([, left], [, right]) => right - left).map(([code, count]) => `${count} ${code}`);
  return said.length === 0 ? 'nothing to look at' : said.join(', ');
};

const table = ({ account, used_since, grants }: Review): void => {
  printTable(['holder', 'grant', 'what', 'via', 'since', 'ends', 'last used', 'findings'], grants.map(rowOf), `Nobody holds anything in ${account}.`);
  remark(`${counted(grants.length, 'grant')} of ${account}, uses since ${used_since}: ${summary(grants)}.`);
};

const csv = async (options: ReviewOptions): Promise<void> => {
  const message = await connect(options).open(PATH, { account: options.account, format: 'csv' });
  try {
    for await (const part of message as AsyncIterable<Buffer>) process.stdout.write(part);
  } catch (error) {
    throw new Failure(EXIT.failed, `The review is not whole: the connection broke in the middle (${(error as Error).message}). Run it again.`);
  }
};

const review = async (options: ReviewOptions): Promise<void> => {
  if (options.output === 'csv') return csv(options);
  const { body } = await connect(options).call('GET', PATH, { query: { account: options.account } });
  if (options.output === 'json') return printJson(body);
  table((body as { readonly data: Review }).data);
};

/** `verdict entities review`: who holds what in an account, and what of it is to be looked at. */
export const reviewCommand = (): Command =>
  withConnection(
    new Command('review')
      .description('the access review of an account: who holds what by which grant, when it was last used, and what to look at')
      .requiredOption('--account <id>', 'the account to review')
      .addOption(
        new Option('-o, --output <form>', 'a table for people, JSON for programs, CSV for the file').choices(['table', 'json', 'csv']).default('table'),
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ verdict entities review --account acc-lagos
  $ verdict entities review --account acc-lagos --output csv > access-2026-q4.csv`,
    )
    .action(review);
