// @ts-check
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/**
 * @typedef {{ id: string, account: string, [name: string]: any }} Thing
 * @typedef {'instances' | 'volumes' | 'ssh_keys' | 'firewalls' | 'members' | 'tokens' | 'payment_methods'} Kind
 */

const KINDS = /** @type {const} */ (['accounts', 'users', 'instances', 'volumes', 'ssh_keys', 'firewalls', 'members', 'tokens', 'payment_methods']);

/** What the platform keeps: lists of things by their ids, in one JSON file that is replaced whole; in memory alone without a file. */
export const openState = (/** @type {string | undefined} */ file) => {
  /** @type {Record<string, Record<string, any>>} */
  const kept = file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  for (const kind of KINDS) kept[kind] ??= {};
  const save = () => {
    if (!file) return;
    writeFileSync(`${file}.new`, JSON.stringify(kept, undefined, 1), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  const of = (/** @type {string} */ kind) => /** @type {Record<string, any>} */ (kept[kind]);
  return {
    isEmpty: () => Object.keys(of('accounts')).length === 0,
    get: (/** @type {string} */ kind, /** @type {string} */ id) => (Object.hasOwn(of(kind), id) ? of(kind)[id] : undefined),
    list: (/** @type {string} */ kind, /** @type {string} */ account) => Object.values(of(kind)).filter((one) => one.account === account),
    find: (/** @type {string} */ kind, /** @type {(one: any) => boolean} */ is) => Object.values(of(kind)).find(is),
    put: (/** @type {string} */ kind, /** @type {any} */ thing) => {
      of(kind)[thing.id] = thing;
      save();
      return thing;
    },
    remove: (/** @type {string} */ kind, /** @type {string} */ id) => {
      delete of(kind)[id];
      save();
    },
  };
};
