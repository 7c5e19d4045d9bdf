import { readKey, showKey } from './caller/index.js';
import { DESTINATIONS } from './destinations.js';
import type { Directory, Entity } from './evaluate/directory/index.js';
import type { JsonObject } from './event/index.js';
import type { Belongings } from './export/index.js';
import { FORWARDER_TYPE, redactForwarder } from './forward/index.js';
import { redactSchedule, SCHEDULE_TYPE } from './schedule/index.js';

/** What may be seen of an entity of Verdict's own: nothing secret. */
export const redactOwn = (entity: Entity): JsonObject => {
  if (entity.type === FORWARDER_TYPE) return redactForwarder(entity, DESTINATIONS);
  if (entity.type === SCHEDULE_TYPE) return redactSchedule(entity);
  const key = readKey(entity);
  return key ? showKey(entity.id, key) : {};
};

const RESERVED = 'verdict.';
const PAGE = 500;

function* entitiesOf(directory: Pick<Directory, 'ofAccount'>, account: string): Generator<Entity, void, void> {
  for (let after: Entity | undefined; ; ) {
    const page: readonly Entity[] = directory.ofAccount(account, { limit: PAGE, ...(after && { after }) });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1);
  }
}

/** What an account's archive holds beside events: its entities with their versions, and what Verdict keeps for it, without secrets. */
export const belongingsOf =
  (directory: Pick<Directory, 'ofAccount'>): Belongings =>
  (account) => {
    function* linesOf(wanted: (type: string) => boolean, show: (entity: Entity) => JsonObject): Generator<JsonObject, void, void> {
      for (const entity of entitiesOf(directory, account)) if (wanted(entity.type)) yield show(entity);
    }
    const own = (entity: Entity): JsonObject => ({ version: entity.version, updated: entity.updated, ...redactOwn(entity) });
    return [
      {
        name: 'entities.jsonl',
        lines: linesOf(
          (type) => !type.startsWith(RESERVED),
          (entity) => entity as unknown as JsonObject,
        ),
      },
      { name: 'forwarders.jsonl', lines: linesOf((type) => type === FORWARDER_TYPE, own) },
      { name: 'export-schedules.jsonl', lines: linesOf((type) => type === SCHEDULE_TYPE, own) },
    ];
  };
