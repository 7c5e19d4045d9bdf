import { createHash } from 'node:crypto';
import type { Json, JsonObject } from './event.js';

/** Names of fields that hold secrets, without case, underscores and hyphens; compared at the end of a field's name. */
const SECRET_NAME = /(token|secret|password|passphrase|passwd|privatekey|secretkey|accesskey|apikey|userdata|credential|authorization|bearer|cookie)s?$/;

/**
 * Texts that are secrets wherever they stand, by kind: private keys, Verdict's own keys, signed tokens, and the common
 * providers' access keys. None of them spans lines, and none can be slow on a text made to be.
 */
export const SECRET_LOOKS = [
  { kind: 'private key', pattern: /-----BEGIN [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----|\bPuTTY-User-Key-File-\d|\bAGE-SECRET-KEY-1[0-9A-Z]{20,}/ },
  { kind: 'Verdict API key', pattern: /\bv[ak]_[0-9A-Za-z]{20,}/ },
  { kind: 'signed token (JWT)', pattern: /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/ },
  { kind: 'AWS access key id', pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { kind: 'GitHub token', pattern: /\bgh[pousr]_[0-9A-Za-z]{30,}|\bgithub_pat_[0-9A-Za-z_]{30,}/ },
  { kind: 'GitLab token', pattern: /\bglpat-[0-9A-Za-z_-]{20,}/ },
  { kind: 'Slack token', pattern: /\bxox[abpr]-[0-9A-Za-z-]{10,}/ },
  { kind: 'Google API key', pattern: /\bAIza[0-9A-Za-z_-]{35}/ },
  { kind: 'DigitalOcean token', pattern: /\bdo[opr]_v1_[0-9a-f]{64}/ },
  { kind: 'Stripe key', pattern: /\b[sr]k_live_[0-9A-Za-z]{20,}/ },
  { kind: 'npm token', pattern: /\bnpm_[0-9A-Za-z]{36}/ },
] as const;

const SECRET_VALUE = new RegExp(SECRET_LOOKS.map(({ pattern }) => pattern.source).join('|'));

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
