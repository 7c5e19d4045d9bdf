import { createHash } from 'node:crypto';
import type { Json, JsonObject } from './event.js';

/** Names of fields that hold secrets, without case, underscores and hyphens; compared at the end of a field's name. */
const SECRET_NAME = /(token|secret|password|passphrase|passwd|privatekey|secretkey|accesskey|apikey|userdata|credential|authorization|bearer|cookie)s?$/;

/** Texts that are secrets wherever they stand: PEM private keys, Verdict's own keys, JWTs, and the common providers' keys. */
const SECRET_VALUE =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bv[ak]_[0-9A-Za-z]{20,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{30,}|\bxox[abpr]-[0-9A-Za-z-]{10,}/;

const PATH_PARAMETER = /([?&;][^=&;]*(?:token|secret|password|key|signature|credential|code)[^=&;]*=)[^&;#]*/gi;

const isSecretName = (name: string): boolean => SECRET_NAME.test(name.toLowerCase().replaceAll(/[_\-\s]/g, ''));

/** What stands in a secret's place: its SHA-256, so that two can be told apart and neither be had. */
const sealed = (value: Json): JsonObject => ({
  sha256: createHash('sha256')
    .update(typeof value === 'string' ? value : JSON.stringify(value))
    .digest('hex'),
});

/**
 * A value with every secret in it replaced by its SHA-256: fields by their names, texts by what they look like. Ids and
 * versions under such names (numbers, booleans, empty texts) stay. Depth is bounded by the parsers of what comes in.
 */
export const withoutSecrets = (value: Json): Json => {
  if (typeof value === 'string') return value.length >= 20 && SECRET_VALUE.test(value) ? sealed(value) : value;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  const out: [string, Json][] = [];
  for (const [name, child] of Object.entries(value)) out.push([name, isHidden(name, child) ? sealed(child) : withoutSecrets(child)]);
  return Object.fromEntries(out);
};

/** A field by a secret's name that holds something; an object that is a seal already stays one. */
const isHidden = (name: string, child: Json): boolean => {
  if (child === null || child === '' || typeof child === 'boolean' || typeof child === 'number') return false;
  const isSeal = typeof child === 'object' && 'sha256' in child && Object.keys(child).length === 1;
  return !isSeal && isSecretName(name);
};

/** A request's path without the values of query parameters that hold secrets. */
export const pathWithoutSecrets = (path: string): string => {
  const bare = path.replaceAll(PATH_PARAMETER, '$1…');
  return SECRET_VALUE.test(bare) ? bare.replaceAll(new RegExp(SECRET_VALUE, 'g'), '…') : bare;
};
