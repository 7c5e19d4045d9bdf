// Looks for secrets in every file that git knows or would take: keys, tokens, passwords. Exits with 1 if there are any.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';

const MOST_BYTES = 5_000_000;

/** How random a text is, in bits a character. */
const entropy = (text) => {
  const counts = new Map();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
};

const looksRandom = (value) => value.length >= 16 && /\d/.test(value) && /[A-Za-z]/.test(value) && entropy(value) > 3.5;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Verdict's credentials end with a CRC-32 in base 62 (src/caller/secret.ts): what a test made up has none. */
const hasChecksum = ([text]) => {
  let rest = crc32(text.slice(0, -6));
  let wanted = '';
  for (let place = 0; place < 6; place += 1) {
    wanted = DIGITS[rest % 62] + wanted;
    rest = Math.floor(rest / 62);
  }
  return text.endsWith(wanted);
};

/** What a secret looks like; `check` tells it from what only looks like one, `random` asks that its value is no word of a test. */
const KINDS = [
  { name: 'private key', pattern: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n?[A-Za-z0-9+/=\\n\s]{40,}/g },
  { name: 'AWS access key', pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { name: 'Verdict credential', pattern: /\b(?:vk_[0-7][0-9A-HJKMNP-TV-Z]{25}_|va_)[0-9A-Za-z]{49}\b/g, check: hasChecksum },
  { name: 'JSON Web Token', pattern: /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}/g },
  { name: 'GitHub token', pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,})\b/g },
  { name: 'Slack token', pattern: /\bxox[abprs]-[A-Za-z0-9-]{20,}/g },
  { name: 'Google API key', pattern: /\bAIza[0-9A-Za-z_-]{35}\b/g },
  { name: 'password in an address', pattern: /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@'"`$<{]+:([^\s:/@'"`$<{]{12,})@/g, random: true },
  {
    name: 'password or key that is written out',
    pattern: /(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*["'`]([^\s"'`$<{]{16,})["'`]/gi,
    random: true,
  },
];

/** The secrets in a text: what kind, and on which line. */
export const findSecrets = (text) =>
  KINDS.flatMap(({ name, pattern, random, check = () => true }) =>
    [...text.matchAll(pattern)]
      .filter((match) => check(match) && (!random || looksRandom(match[1])))
      .map((match) => ({ kind: name, line: text.slice(0, match.index).split('\n').length })),
  );

const scan = (root) => {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, maxBuffer: 64 * 1024 * 1024 })
    .toString()
    .split('\0')
    .filter((file) => file !== '' && file !== 'package-lock.json');
  let scanned = 0;
  const found = files.flatMap((file) => {
    const path = join(root, file);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size > MOST_BYTES) return [];
    scanned += 1;
    return findSecrets(readFileSync(path, 'latin1')).map((secret) => ({ file, ...secret }));
  });
  return { scanned, found };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { scanned, found } = scan(fileURLToPath(new URL('..', import.meta.url)));
  for (const { file, line, kind } of found) console.error(`${file}:${line}: this looks like a secret (${kind}).`);
  console.log(found.length > 0 ? `Secrets: ${found.length} found in ${scanned} files.` : `Secrets: none in ${scanned} files.`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
