import { looksSecret, newUlid } from '../event/index.js';

const WELL_FORMED = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The id a client sent as X-Request-ID, if it is 1–128 plain characters and no credential; else a new one, `req-` + ULID. */
export const requestIdOf = (header: string | readonly string[] | undefined): string =>
  typeof header === 'string' && WELL_FORMED.test(header) && !looksSecret(header) ? header : `req-${newUlid()}`;
