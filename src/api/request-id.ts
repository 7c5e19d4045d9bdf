import type { IncomingHttpHeaders } from 'node:http';
import { looksSecret, newUlid } from '../event/index.js';

const WELL_FORMED = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The id a client sent as X-Request-ID, if it is 1–128 plain characters and no credential; else a new one, `req-` + ULID. */
export const requestIdOf = (header: string | readonly string[] | undefined): string =>
  typeof header === 'string' && WELL_FORMED.test(header) && !looksSecret(header) ? header : `req-${newUlid()}`;

/** AuthZEN's paths, whose answers bring the request's id back as it was sent. */
const AUTHZEN = /^\/access\/v1\//;

/**
 * The X-Request-ID of an answer: on AuthZEN's paths what the client sent, whatever it is (AuthZEN 1.0, section 10.1.3);
 * elsewhere the id that Verdict logs and records.
 */
export const echoedIdOf = (headers: IncomingHttpHeaders, path: string, requestId: string): string => {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && sent !== '' && AUTHZEN.test(path) ? sent : requestId;
};
