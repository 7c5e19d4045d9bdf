import type { EntityChange } from './types.js';

/** The largest entity, in bytes of its JSON. */
export const MAX_ENTITY_BYTES = 32 * 1024;

/** The longest names, in UTF-16 code units; a key of both stays under LMDB's 1,978 bytes. */
export const MAX_TYPE = 64;
export const MAX_ID = 256;
/** How deep properties may be nested: far below what a stack can walk. */
const MAX_DEPTH = 256;
const TYPE = /^[^\p{Cc}\p{Surrogate}/]+$/u;
const NAME = /^[^\p{Cc}\p{Surrogate}]+$/u;

/** A change that can't be written down: `index` says which of those that came together. None of them was made. */
export class EntityRefused extends Error {
  override readonly name = 'EntityRefused';
  constructor(
    readonly code: 'entity.too_large' | 'entity.invalid',
    readonly index: number,
    message: string,
  ) {
    super(message);
  }
}

/** Whether a JSON value is nested no deeper than readers can walk. A cycle is deeper. */
export const isShallow = (value: unknown, left = MAX_DEPTH): boolean => {
  if (typeof value !== 'object' || value === null) return true;
  return left > 0 && Object.values(value).every((child) => isShallow(child, left - 1));
};

const jsonOf = ({ type, id, account, properties }: EntityChange & { readonly op: 'put' }, index: number): string => {
  if (!isShallow(properties))
    throw new EntityRefused('entity.invalid', index, `The properties of ${type}/${id} are nested more than ${MAX_DEPTH} levels deep.`);
  return JSON.stringify({ type, id, account, properties });
};

const checkNames = (change: EntityChange, index: number): void => {
  const { type, id } = change;
  if (type.length > MAX_TYPE || !TYPE.test(type))
    throw new EntityRefused('entity.invalid', index, `An entity's type has 1 to ${MAX_TYPE} characters, no slash and no control characters.`);
  const names = change.op === 'put' && change.account !== undefined ? [id, change.account] : [id];
  if (names.some((name) => name.length > MAX_ID || !NAME.test(name)))
    throw new EntityRefused('entity.invalid', index, `An entity's id and account have 1 to ${MAX_ID} characters and no control characters (${type}).`);
};

/**
 * Throws {@link EntityRefused} for the first change that no directory can hold: a name out of bounds, or more than
 * {@link MAX_ENTITY_BYTES}. Names end up in keys, so what UTF-8 can't tell apart (lone surrogates) is refused.
 */
export const checkChanges = (changes: readonly EntityChange[]): void => {
  for (const [index, change] of changes.entries()) {
    checkNames(change, index);
    if (change.op !== 'put') continue;
    const bytes = Buffer.byteLength(jsonOf(change, index));
    if (bytes <= MAX_ENTITY_BYTES) continue;
    const message = `${change.type}/${change.id} would have ${bytes} bytes as JSON; an entity has at most ${MAX_ENTITY_BYTES}.`;
    throw new EntityRefused('entity.too_large', index, message);
  }
};
