import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../event/index.js';
import { type Client, createClient } from './client.js';
import { usage } from './failure.js';
import { groupsOf, readLines } from './ndjson.js';

export type DemoOptions = {
  /** Where the node answers. */
  readonly url: string;
  /** The admin token. */
  readonly token: string;
  /** Told one line at a time, for people. */
  readonly log: (line: string) => void;
  /** The admin token's file, as the printed commands name it; without one they use $VERDICT_ADMIN_TOKEN. */
  readonly tokenFile?: string;
  readonly now?: () => number;
};

/** One step of the sample day; `at` counts seconds from its start. */
type Step = { readonly at: number } & ({ readonly ask: JsonObject; readonly then?: JsonObject } | { readonly record: JsonObject });
type Evaluations = { readonly evaluations: readonly { readonly decision: boolean; readonly context?: { readonly id?: string } }[] };

const FIXTURES = new URL('../../fixtures/platform/', import.meta.url);
const DAY_MS = 86_400_000;
const PROGRESS_MS = 2_000;
const QUERYABLE_MS = 60_000;
const POLL_MS = 200;
/** As many entities as the API takes at once, and few enough questions for one body. */
const ENTITIES_AT_ONCE = 1_000;
const STEPS_AT_ONCE = 200;

const fixture = (name: string): string => fileURLToPath(new URL(name, FIXTURES));

/** How far the sample day was played, kept in the directory as `sample/day`: one that was cut off midway goes on from there. */
type Progress = { readonly start: string; readonly played: number; readonly done: boolean };

const first = async (client: Client, type: string): Promise<JsonObject | undefined> => {
  const { body } = await client.call('GET', `/v1/entities/${type}`, { query: { limit: 1 } });
  return (body as { readonly data: { readonly entities: readonly { readonly properties: JsonObject }[] } }).data.entities[0]?.properties;
};

const isEmpty = async (client: Client): Promise<boolean> => {
  for (const type of ['account', 'user', 'membership']) if (await first(client, type)) return false;
  return true;
};

const noteProgress = async (client: Client, progress: Progress): Promise<void> => {
  await client.call('PUT', '/v1/entities/sample/day', { body: { properties: progress } });
};

/** What is left to play, if anything: a day that was begun, or, where nobody is known yet, a new one that ends now. */
const toPlay = async (client: Client, now: number): Promise<Progress | undefined> => {
  const begun = (await first(client, 'sample')) as Progress | undefined;
  if (begun) return begun.done ? undefined : begun;
  return (await isEmpty(client)) ? { start: new Date(now - DAY_MS).toISOString(), played: 0, done: false } : undefined;
};

const writeEntities = async (client: Client): Promise<number> => {
  let count = 0;
  for await (const lines of groupsOf(readLines(fixture('entities.ndjson')), ENTITIES_AT_ONCE)) {
    const body = lines.map(({ text }) => text).join('\n');
    const reply = await client.call('POST', '/v1/entities', { body, type: 'application/x-ndjson' });
    const results = (reply.body as { readonly data: { readonly entities: readonly { readonly status: number; readonly detail?: string }[] } }).data.entities;
    const refused = results.find(({ status }) => status >= 300);
    if (refused) throw new Error(`The sample platform was not taken whole: ${refused.detail ?? `status ${refused.status}`}.`);
    count += results.length;
  }
  return count;
};

/** The question as of its time in the sample day: the admin token may claim it. */
const askedAt = (question: JsonObject, time: string): JsonObject => ({ ...question, context: { ...(question['context'] as JsonObject), time } });

/** Asks the questions of these steps, then records what happened: also what their answers allowed. Resolves with the id of the last record. */
const playSteps = async (client: Client, steps: readonly Step[], start: number): Promise<string | undefined> => {
  const timeOf = ({ at }: Step): string => new Date(start + at * 1000).toISOString();
  const questions = steps.filter((step) => 'ask' in step);
  const evaluations = questions.map((step) => askedAt(step.ask, timeOf(step)));
  const answers =
    evaluations.length > 0 ? ((await client.call('POST', '/access/v1/evaluations', { body: { evaluations } })).body as Evaluations).evaluations : [];
  const allowedBy = new Map(
    questions.map((step, index): [Step, string | undefined] => [step, answers[index]?.decision ? answers[index].context?.id : undefined]),
  );
  const events = steps.flatMap((step): JsonObject[] => {
    if ('record' in step) return [{ ...step.record, timestamp: timeOf(step) }];
    const decision = allowedBy.get(step);
    return step.then && decision !== undefined ? [{ ...step.then, timestamp: timeOf(step), caused_by: decision }] : [];
  });
  if (events.length === 0) return answers.at(-1)?.context?.id;
  const reply = await client.call('POST', '/v1/events', { body: events });
  return (reply.body as { readonly data: { readonly events: readonly { readonly id: string }[] } }).data.events.at(-1)?.id;
};

async function* steps(): AsyncGenerator<Step> {
  for await (const { text } of readLines(fixture('traffic.ndjson'))) yield JSON.parse(text) as Step;
}

const playDay = async (
  client: Client,
  log: DemoOptions['log'],
  progress: Progress,
): Promise<{ readonly played: number; readonly last: string | undefined }> => {
  const { start } = progress;
  let played = 0;
  let last: string | undefined;
  let said = Date.now();
  for await (const group of groupsOf(steps(), STEPS_AT_ONCE)) {
    played += group.length;
    if (played <= progress.played) continue;
    last = (await playSteps(client, group, Date.parse(start))) ?? last;
    await noteProgress(client, { start, played, done: false });
    if (Date.now() - said > PROGRESS_MS) {
      log(`Playing the sample day: ${played} steps so far.`);
      said = Date.now();
    }
  }
  await noteProgress(client, { start, played, done: true });
  return { played, last };
};

/** Waits until this event can be queried, so that what is printed next works; not for ever, since the store may be away. */
const untilQueryable = async (client: Client, log: DemoOptions['log'], id: string): Promise<void> => {
  const began = Date.now();
  let said = began;
  while (Date.now() - began < QUERYABLE_MS) {
    const isThere = await client.call('GET', `/v1/audit-logs/${id}`).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    if (Date.now() - said > PROGRESS_MS) {
      log('Waiting for the store to take the sample day.');
      said = Date.now();
    }
    await sleep(POLL_MS);
  }
  log('The store has not taken the sample day yet: queries will show it later (GET /readyz says what is behind).');
};

/** Three commands that work when pasted into a shell in the folder that the node was started in. */
export const commandsToTry = ({ url, tokenFile }: Pick<DemoOptions, 'url' | 'tokenFile'>): readonly string[] => {
  const credential = tokenFile === undefined ? '$VERDICT_ADMIN_TOKEN' : `$(cat ${tokenFile})`;
  const question = '{"subject":{"type":"user","id":"usr-amaka"},"action":{"name":"instance.delete"},"resource":{"type":"instance","id":"inst-web-1"}}';
  const bearer = `-H "Authorization: Bearer ${credential}"`;
  return [
    `curl -s ${url}/access/v1/evaluation ${bearer} -H 'Content-Type: application/json' -d '${question}'`,
    `curl -s "${url}/v1/audit-logs?event=instance.delete&result=denied&limit=5" ${bearer}`,
    `curl -s "${url}/v1/audit-logs/export?format=csv&event=failed_login" ${bearer} -o failed-logins.csv`,
  ];
};

/**
 * Fills an empty node with the sample platform and plays a day of its traffic, ending now, through the public API only.
 * A day that was cut off midway is played to its end; a node that knows anybody else already is left as it is. Ends by saying where the node is and what to try.
 * Rejects where the node refuses a part of it.
 */
export const playDemo = async (options: DemoOptions): Promise<void> => {
  const { url, token, log } = options;
  if (url.startsWith('https:')) throw usage('The sample day of --demo is played over plain HTTP: start without --demo, or without http.tls.');
  const client = createClient({ url, token });
  const progress = await toPlay(client, (options.now ?? Date.now)());
  if (progress) {
    await noteProgress(client, progress);
    const entities = await writeEntities(client);
    const { played, last } = await playDay(client, log, progress);
    if (last !== undefined) await untilQueryable(client, log, last);
    log(`The sample platform is in place: ${entities} entities in three accounts, and ${played} steps of their last 24 hours.`);
  } else log('The directory is not empty: the sample platform is left out.');
  log(`Verdict answers at ${url}. Try, in another terminal in this folder:`);
  for (const command of commandsToTry(options)) log(`\n  ${command}`);
  log('');
};
