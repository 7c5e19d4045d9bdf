import { createHash } from 'node:crypto';
import type { Json, JsonObject } from './event.js';

/** Names of fields that hold secrets, without case, underscores and hyphens; compared at the end of a field's name. */
const SECRET_NAME =
  /(token|secret|password|passphrase|passwd|pwd|privatekey|secretkey|accesskey|apikey|userdata|credential|authorization|bearer|cookie)s?(v?\d{1,3}|base64|b64|plain|text|hash|hashplain)?$/;

/** Names under which even a number is no id or count. */
const PASSWORD_NAME = /(password|passphrase|passwd|pwd|secret)s?$/;

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

/** Of no provider in particular: HTTP Basic credentials, and a URL that carries a password. */
const OTHER_LOOKS = /\bBasic [A-Za-z0-9+/]{12,}={0,2}(?![A-Za-z0-9+/])|\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/]{0,64}:[^\s@/]{1,128}@/;

const SECRET_VALUE = new RegExp([...SECRET_LOOKS.map(({ pattern }) => pattern.source), OTHER_LOOKS.source].join('|'));
const EVERY_SECRET = new RegExp(SECRET_VALUE, 'g');

/** The shortest text that is looked at; ids and names are mostly shorter, and cost nothing. */
const LEAST = 16;

const PATH_PARAMETER = /([?&;#][^=&;]*(?:token|secret|password|key|signature|credential|code)[^=&;]*=)[^&;#]*/gi;

const plainName = (name: string): string => name.toLowerCase().replaceAll(/[_\-\s]/g, '');

/** Whether a text is, or holds, a secret by its look. */
export const looksSecret = (text: string): boolean => text.length >= LEAST && SECRET_VALUE.test(text);

/** A text in which every secret is struck out, for where a text must stand: ids, names, paths. */
export const textWithoutSecrets = (text: string): string => (looksSecret(text) ? text.replaceAll(EVERY_SECRET, '…') : text);

/** What stands in a secret's place: its SHA-256, so that two can be told apart and neither be had. */
const sealed = (value: Json): JsonObject => ({
  sha256: createHash('sha256')
    .update(typeof value === 'string' ? value : JSON.stringify(value))
    .digest('hex'),
});

/**
 * A value with every secret in it replaced by its SHA-256: fields by their names, texts by what they look like. Ids and
 * versions under such names (numbers, but for passwords; booleans, empty texts) stay. Depth is bounded by the parsers of what comes in.
 */
export const withoutSecrets = (value: Json): Json => {
  if (typeof value === 'string') return looksSecret(value) ? sealed(value) : value;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  const out: [string, Json][] = [];
  for (const [name, child] of Object.entries(value)) out.push([textWithoutSecrets(name), isHidden(name, child) ? sealed(child) : withoutSecrets(child)]);
  return Object.fromEntries(out);
};

/** A field by a secret's name that holds something; an object that is a seal already stays one. */
const isHidden = (name: string, child: Json): boolean => {
  if (child === null || child === '' || typeof child === 'boolean') return false;
  if (typeof child === 'number') return PASSWORD_NAME.test(plainName(name));
  return !isSeal(child) && SECRET_NAME.test(plainName(name));
};

const SHA256 = /^[0-9a-f]{64}$/;

const isSeal = (value: Json): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { sha256 } = value as JsonObject;
  return Object.keys(value).length === 1 && typeof sha256 === 'string' && SHA256.test(sha256);
};

/** A request's path without the values of query parameters that hold secrets. */
export const pathWithoutSecrets = (path: string): string => textWithoutSecrets(path.replaceAll(PATH_PARAMETER, '$1…'));
