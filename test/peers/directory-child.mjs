// A process that works on a directory, for tests that need several or kill one. Arguments: compiled sources, folder, task.
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';

const [dist, folder, task, ...rest] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { kafkaDirectory, localDirectory, writeEntities } = await load('evaluate/directory/index.js');
const { kafkaClient } = await load('kafka/index.js');
const { newUlid } = await load('event/index.js');
const { openJournal } = await load('ingest/journal.js');

// Kafka's settings as JSON; without them the directory lives in the folder.
const kafka = process.env.TEST_KAFKA && JSON.parse(process.env.TEST_KAFKA);
const path = join(folder, 'directory');
const directory = kafka
  ? kafkaDirectory({ path, topicPrefix: kafka.topic_prefix }, { kafka: kafkaClient(kafka, pino({ level: 'silent' })) })
  : localDirectory({ path });
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Counts one entity up, each time resting on the version it read. */
const count = async (times) => {
  let lost = 0;
  for (let done = 0; done < times; ) {
    const current = directory.get('counter', 'c');
    const properties = { n: (current?.properties.n ?? 0) + 1 };
    const [outcome] = await directory.apply([{ change: newUlid(), op: 'put', type: 'counter', id: 'c', expected: current?.version ?? 0, properties }]);
    if (outcome.outcome === 'applied') done += 1;
    else lost += 1;
  }
  say({ lost });
};

/** Answers the generation and an entity whenever asked, each time in a new turn of the event loop. */
const watch = () =>
  process.on('message', ({ type, id }) => process.send({ generation: directory.generation(), version: directory.get(type, id)?.version ?? 0 }));

const makeDraft = () => ({ timestamp: new Date().toISOString(), actor: { type: 'service', id: 'test' }, source: 'test' });

/** Writes entities with their events until it is killed; dies by itself after the given step of the given write. */
const write = async (slot, dieAfter, at) => {
  const journal = await openJournal({ path: join(folder, 'journal', slot), maxBytes: 1 << 26, durability: 'disk', onFailure: () => process.exit(3) });
  let written = 0;
  const dying =
    (step, work) =>
    async (...args) => {
      const result = await work(...args);
      if (step === dieAfter && written === Number(at)) process.kill(process.pid, 'SIGKILL');
      return result;
    };
  const deps = {
    directory: { ...directory, apply: dying('apply', directory.apply) },
    journal: { ...journal, intend: dying('intend', journal.intend), append: dying('append', journal.append), abandon: journal.abandon },
  };
  for (;;) {
    written += 1;
    const changes = Array.from({ length: 3 }, () => {
      const base = { change: newUlid(), type: 'server', id: `s${randomInt(5)}` };
      return randomInt(4) === 0 ? { ...base, op: 'delete' } : { ...base, op: 'put', properties: { by: slot, written } };
    });
    const outcomes = await writeEntities(deps, changes, makeDraft);
    for (const { outcome, entity } of outcomes) if (outcome === 'applied' || outcome === 'deleted') say({ id: entity.id, version: entity.version });
  }
};

if (task === 'count') await count(Number(rest[0])).then(() => directory.close());
else if (task === 'watch') watch();
else await write(...rest);
