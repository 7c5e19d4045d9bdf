import { type Answer, retryAfter } from '../../outbound/index.js';

/**
 * What an answer means for the events of one request. `refused`: something in it is refused for its content;
 * `large`: it is more than the destination takes at once.
 */
export type Meaning = 'accepted' | 'again' | 'stopped' | 'refused' | 'large';

/** What a request came to. Indices are those of the request's events, counted from 0. */
export type Verdict =
  | { readonly meaning: 'accepted'; readonly refused?: readonly { readonly index: number; readonly reason: string }[] }
  | { readonly meaning: 'again'; readonly reason: string; readonly after_ms?: number /** First that isn't accepted. */; readonly from?: number }
  | { readonly meaning: 'stopped' | 'refused' | 'large'; readonly reason: string };

/** What each status means, declared for each product. */
export type Statuses = { readonly [status: number]: Meaning };

/** What a product's table doesn't name: of 5xx it is tried again, of all else a person is asked. */
const otherwise = (status: number): Meaning => (status >= 500 ? 'again' : 'stopped');

const WORDS = 200;
/** The beginning of what was answered, on one line, without `secret`. */
const said = (body: Buffer, secrets: readonly string[]): string => {
  let text = body
    .toString('utf8', 0, 2 * WORDS)
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '***');
  return text === '' ? '' : `: ${text.slice(0, WORDS)}`;
};

/** The verdict on a whole request, by its status. `advice`: what a person may do, by status; `secrets` are never repeated. */
export const verdictOf = (
  product: string,
  statuses: Statuses,
  { status, headers, body }: Answer,
  options: { readonly now: number; readonly secrets: readonly string[]; readonly advice?: { readonly [status: number]: string } },
): Verdict => {
  const meaning = statuses[status] ?? otherwise(status);
  if (meaning === 'accepted') return { meaning };
  const isMoved = status >= 300 && status < 400;
  const advice = isMoved ? ' Redirects are not followed: give the address that it leads to.' : options.advice?.[status] ? ` ${options.advice[status]}` : '';
  const reason = `${product} answered ${status}${said(body, options.secrets)}.${advice}`;
  const after_ms = meaning === 'again' ? retryAfter(headers['retry-after'], options.now) : undefined;
  return meaning === 'again' ? { meaning, reason, ...(after_ms !== undefined && { after_ms }) } : { meaning, reason };
};

/** The JSON of an answer; undefined where it is none. */
export const jsonOf = ({ body }: Answer): unknown => {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
};
