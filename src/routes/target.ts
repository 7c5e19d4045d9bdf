/** A request's target taken apart, or why it is refused. */
export type Target =
  | { readonly ok: true; readonly segments: readonly string[]; readonly path: string; readonly query: URLSearchParams }
  | { readonly ok: false; readonly code: string; readonly message: string };

const refused = (code: string, message: string): Target => ({ ok: false, code, message });

/** The longest target that is read; longer ones are no request of a control plane. */
const MOST_BYTES = 8 * 1024;
/** What may stand in a target (RFC 3986, section 3.3 and 3.4) beside percent-encoded bytes; some servers take a backslash for a slash. */
const ALLOWED = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%[\]{}|^`"<>]*$/;
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;

const decoded = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
};

/** A control character, or a separator that was hidden behind a percent sign. */
const CONTROL = /\p{Cc}/u;

const faultOf = (raw: string, text: string | undefined): Target | undefined => {
  if (raw.includes(';'))
    return refused(
      'path.parameter',
      'The path has a parameter behind a semicolon, which some servers take off: leave it out, or percent-encode the semicolon.',
    );
  if (text === undefined) return refused('path.escape', 'The path has a percent sign that begins no valid UTF-8 character (RFC 3986, section 2.1).');
  if (/[/\\]/.test(text)) return refused('path.encoded_slash', 'The path has an encoded slash or backslash in a segment: servers read it in different ways.');
  if (CONTROL.test(text)) return refused('path.control', 'The path has an encoded control character.');
  if (text === '.' || text === '..') return refused('path.dot_segment', 'The path has a dot segment: send the path that is meant.');
  return raw.includes('%25') && /%[0-9a-f]{2}/i.test(text) ? refused('path.double_escape', 'The path is percent-encoded twice.') : undefined;
};

/**
 * Reads a request's target (origin-form, or absolute-form as a proxy gets it). What two readers could read in two ways is
 * refused: dot segments, empty segments, encoded slashes, parameters (RFC 3986, section 3.3), double encoding, control characters, a fragment.
 */
export const readTarget = (given: string): Target => {
  if (given.length > MOST_BYTES) return refused('path.too_long', `The target is longer than ${MOST_BYTES} bytes.`);
  const target = given.replace(ABSOLUTE, '') || '/';
  if (!target.startsWith('/')) return refused('path.invalid', 'The target is no path (RFC 9112, section 3.2).');
  if (target.includes('#')) return refused('path.fragment', 'The target has a fragment, which no request carries.');
  const at = target.indexOf('?');
  const rawPath = at < 0 ? target : target.slice(0, at);
  if (!ALLOWED.test(rawPath) || rawPath.includes('\\')) return refused('path.invalid', 'The path has characters that no URI may have (RFC 3986, section 3.3).');
  if (rawPath.includes('//')) return refused('path.empty_segment', 'The path has an empty segment (two slashes): servers read it in different ways.');
  const raw = rawPath.slice(1).split('/');
  const segments: string[] = [];
  for (const one of raw) {
    const text = decoded(one);
    const fault = faultOf(one, text);
    if (fault) return fault;
    segments.push(text as string);
  }
  return { ok: true, segments, path: `/${segments.join('/')}`, query: new URLSearchParams(at < 0 ? '' : target.slice(at + 1)) };
};
