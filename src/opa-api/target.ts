/** What a request line asks of OPA's REST API. */
export type OpaTarget =
  | { readonly kind: 'data' | 'batch'; readonly path: string; readonly query: URLSearchParams | undefined }
  | { readonly kind: 'default'; readonly query: URLSearchParams | undefined }
  | { readonly kind: 'health' }
  /** On one of the API's paths, but not as it takes it. */
  | { readonly kind: 'refused'; readonly status: 400 | 405; readonly message: string; readonly allow?: string };

const DATA = '/v1/data';
const BATCH = '/v1/batch/data';

/** The longest path of a document: it is the id of the record's resource. */
const MAX_PATH = 256;

const refused = (message: string): OpaTarget => ({ kind: 'refused', status: 400, message });
const wrongMethod = (allow: string): OpaTarget => ({ kind: 'refused', status: 405, message: `This address takes ${allow}.`, allow });

const decoded = (path: string): string =>
  path
    .split('/')
    .map((segment) => decodeURIComponent(segment).replaceAll('/', '%2F'))
    .join('/');

const CONTROL = /\p{Cc}/u;

/** The path of a document, decoded segment by segment; a slash that was escaped stays so, and so is never a separator. */
const documentPath = (raw: string): { readonly path: string } | { readonly fault: string } => {
  if (raw === '' || raw === '/') return { path: '/' };
  if (raw.includes('//') || raw.endsWith('/')) return { fault: 'The path has an empty segment: write /v1/data/app/authz/allow, without a slash at its end.' };
  let path: string;
  try {
    path = raw.includes('%') ? decoded(raw.slice(1)) : raw.slice(1);
  } catch {
    return { fault: 'The path has an escape (%) that is no UTF-8.' };
  }
  if (path.length > MAX_PATH) return { fault: `The path is longer than ${MAX_PATH} characters.` };
  return CONTROL.test(path) ? { fault: 'The path has a control character.' } : { path };
};

/** The part of `path` behind `prefix`, if it stands there whole. */
const behind = (path: string, prefix: string): string | undefined =>
  path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/') ? path.slice(prefix.length) : undefined;

/**
 * Reads a request line's method and target (origin-form, RFC 9112, section 3.2.1). Undefined: the address is none of OPA's.
 */
export const opaTarget = (method: string | undefined, target: string): OpaTarget | undefined => {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? undefined : new URLSearchParams(target.slice(mark + 1));
  if (path === '/') return method === 'POST' ? { kind: 'default', query } : undefined;
  if (path === '/health') return method === 'GET' ? { kind: 'health' } : wrongMethod('GET');
  const data = behind(path, DATA);
  const batch = data === undefined ? behind(path, BATCH) : undefined;
  const raw = data ?? batch;
  if (raw === undefined) return undefined;
  if (method !== 'POST' && (method !== 'GET' || batch !== undefined)) return wrongMethod(batch === undefined ? 'GET, POST' : 'POST');
  const document = documentPath(raw);
  if ('fault' in document) return refused(document.fault);
  return { kind: batch === undefined ? 'data' : 'batch', path: document.path, query };
};
