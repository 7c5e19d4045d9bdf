import { type Json, SECRET_LOOKS } from '../../event/index.js';
import { type Part, unpack } from './unpack.js';

/** A secret that was found: what kind it is, and the line (from 1) of the user data, unpacked, that it begins on. */
export type Finding = { readonly kind: string; readonly line: number };

export type UserData = { readonly findings: readonly Finding[] };

/** The most findings that are told; one is enough to refuse. */
const MOST_FINDINGS = 20;

/** Secrets that only the name before them gives away. */
const NAMED = [
  { kind: 'AWS secret access key', pattern: /aws_?secret_?(?:access_?)?key["']?\s{0,8}[=:]\s{0,8}["']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/i },
  { kind: 'Azure storage account key', pattern: /\bAccountKey=[A-Za-z0-9/+]{86}==/ },
  { kind: 'access key', pattern: /\b(?:secret_?(?:access_?)?key|access_?key_?secret|secret_?id)["']?\s{0,8}[=:]\s{0,8}["']?[A-Za-z0-9/+_-]{32,}/i },
] as const;

const LOOKS = [...SECRET_LOOKS, ...NAMED];

const findIn = ({ text, line }: Part, into: Map<string, Finding>): void => {
  for (const [index, one] of text.split('\n').entries()) {
    // A secret of several names is told by the first.
    const found = one.length < 16 ? undefined : LOOKS.find(({ pattern }) => pattern.test(one));
    if (!found) continue;
    const finding = { kind: found.kind, line: line + index + 1 };
    into.set(`${finding.kind} ${finding.line}`, finding);
  }
};

/**
 * The access keys and private keys in cloud-init user data: plain, base64, gzip and multipart MIME, and files that a
 * cloud-config carries encoded. Never the secret itself. What can't be looked into is a finding too: it may hold one.
 */
export const userDataOf = (value: Json): UserData => {
  const { parts, refused } = unpack(typeof value === 'string' ? value : JSON.stringify(value, null, 1));
  const findings = new Map<string, Finding>();
  for (const part of parts) findIn(part, findings);
  if (refused !== undefined) findings.set('', { kind: `content that can not be checked (${refused})`, line: 1 });
  const told = [...findings.values()].sort((left, right) => left.line - right.line);
  return { findings: told.slice(0, MOST_FINDINGS) };
};
