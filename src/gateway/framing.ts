import type { IncomingMessage } from 'node:http';
import { connectionOptions } from '../routes/index.js';
import { type Framing, repeatedField } from './headers.js';

/** Why a request is turned away before anybody looks at what it asks. */
export type Malformed = { readonly status: 400 | 417 | 431 | 501 | 505; readonly code: string; readonly message: string };

/** The most header fields; node:http bounds their bytes. */
const MOST_FIELDS = 128;
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
/** Origin-form (RFC 9112, section 3.2.1): visible ASCII from the first slash on, and no fragment. */
const ORIGIN_FORM = /^\/[\x21\x22\x24-\x7e]*$/;

const bad = (status: Malformed['status'], code: string, message: string): Malformed => ({ status, code, message });

const versionFault = ({ httpVersion, headers }: IncomingMessage): Malformed | undefined => {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return bad(505, 'request.version', 'The gateway speaks HTTP/1.1 and HTTP/1.0.');
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)
    return bad(400, 'request.framing', 'An HTTP/1.0 request has no Transfer-Encoding (RFC 9112, section 6.1).');
  return undefined;
};

/** RFC 9112, sections 6.1 and 6.3. node:http has refused contradicting lengths and bad chunks already. */
const bodyFault = ({ headers }: IncomingMessage): Malformed | undefined => {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return bad(501, 'request.transfer_coding', 'Of the transfer codings the gateway takes chunked alone.');
  const length = headers['content-length'];
  if (length !== undefined && coding !== undefined) return bad(400, 'request.framing', 'A request has a Content-Length or a Transfer-Encoding, not both.');
  if (length !== undefined && (!/^\d{1,16}$/.test(length) || !Number.isSafeInteger(Number(length))))
    return bad(400, 'request.framing', 'The Content-Length is no length.');
  return undefined;
};

/** A connection that is to be switched over has no body: what follows its headers belongs to the other protocol (RFC 6455, section 4.1). */
const upgradeFault = ({ headers, method }: IncomingMessage, isUpgrade: boolean): Malformed | undefined => {
  if (!isUpgrade) return undefined;
  const hasLength = headers['content-length'] !== undefined && headers['content-length'] !== '0';
  if (method === 'GET' && !hasLength && headers['transfer-encoding'] === undefined) return undefined;
  return bad(400, 'upgrade.invalid', 'A WebSocket is asked for by a GET without a body (RFC 6455, section 4.1).');
};

const hostFault = ({ headers, httpVersion }: IncomingMessage): Malformed | undefined => {
  if (headers.host === undefined && httpVersion === '1.0') return undefined;
  if (headers.host === undefined || !HOST.test(headers.host))
    return bad(400, 'request.host', 'The request needs one Host header with a name or an address (RFC 9112, section 3.2).');
  return undefined;
};

/** Fields that say what a message is or who sends it: for every recipient (RFC 9110, section 7.6.1), and what was decided on. */
const END_TO_END: ReadonlySet<string> = new Set(['authorization', 'cookie', 'content-type', 'content-encoding', 'content-length', 'host']);

/** A field that Connection names goes no further: the upstream would get another request than the one decided on. */
const connectionFault = ({ headers }: IncomingMessage): Malformed | undefined => {
  const name = connectionOptions(headers.connection).find((option) => END_TO_END.has(option));
  if (name === undefined) return undefined;
  return bad(400, 'request.connection', `Connection names ${name}, which is no field of one connection (RFC 9110, section 7.6.1).`);
};

/** What is wrong with a request's form, beyond what node:http's parser refuses; undefined where nothing is. */
export const malformed = (request: IncomingMessage, isUpgrade = false): Malformed | undefined => {
  const version = versionFault(request);
  if (version) return version;
  if (request.rawHeaders.length > 2 * MOST_FIELDS) return bad(431, 'headers.too_many', `The request has over ${MOST_FIELDS} header fields.`);
  const repeated = repeatedField(request.rawHeaders);
  if (repeated !== undefined) return bad(400, 'request.repeated_field', `The header ${repeated} stands in the request more than once.`);
  const expected = request.headers.expect;
  if (expected !== undefined && expected.toLowerCase() !== '100-continue')
    return bad(417, 'request.expectation', 'Of all expectations the gateway knows 100-continue alone (RFC 9110, section 10.1.1).');
  const found = bodyFault(request) ?? upgradeFault(request, isUpgrade) ?? hostFault(request) ?? connectionFault(request);
  if (found) return found;
  if (!ORIGIN_FORM.test(request.url ?? ''))
    return bad(400, 'target.form', 'The request target must be a path that begins with a slash (RFC 9112, section 3.2.1).');
  return undefined;
};

/** How a request's body is framed. */
export const framingOf = ({ headers }: IncomingMessage): Framing => {
  if (headers['transfer-encoding'] !== undefined) return { kind: 'chunked' };
  const length = headers['content-length'];
  return length === undefined ? { kind: 'none' } : { kind: 'length', length };
};

/** Whether anything follows the headers. */
export const hasBody = (framing: Framing): boolean => framing.kind === 'chunked' || (framing.kind === 'length' && framing.length !== '0');
