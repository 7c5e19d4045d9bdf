/**
 * Why nothing could be sent, or no more. `again`: it passes, and the same is sent later, `after_ms` milliseconds from
 * now where the other side said so. `stopped`: everything is refused until a person acts.
 */
export type Failure =
  | { readonly outcome: 'again'; readonly reason: string; readonly after_ms?: number }
  | { readonly outcome: 'stopped'; readonly reason: string };

export const again = (reason: string, after_ms?: number): Failure => ({ outcome: 'again', reason, ...(after_ms !== undefined && { after_ms }) });
export const stopped = (reason: string): Failure => ({ outcome: 'stopped', reason });

/** What errors of Node's sockets, of its DNS and of OpenSSL carry. */
type Coded = Error & { readonly code?: string; readonly errors?: readonly Coded[]; readonly cert?: { readonly subjectaltname?: string } };
type Say = (place: string, error: Coded) => string;

const untrusted: Say = (place, { code }) =>
  `The certificate of ${place} is not trusted: no authority that is configured here signed it (${code}). Give that authority's certificate in tls.ca, if it is the right one.`;

const noTls: Say = (place) => `${place} doesn't speak TLS. Check the port and the protocol.`;

/** What is wrong with a certificate, by the codes of node:tls. Each needs a person. */
const CERTIFICATE: { readonly [code: string]: Say } = {
  CERT_HAS_EXPIRED: (place) => `The certificate of ${place} has expired, or one in its chain has. It has to be renewed there.`,
  CERT_NOT_YET_VALID: (place) => `The certificate of ${place} is not valid yet. Check the clocks of both machines.`,
  CERT_REVOKED: (place) => `The certificate of ${place} was revoked. It has to be replaced there.`,
  CERT_SIGNATURE_FAILURE: (place) => `A signature in the certificate chain of ${place} is wrong. It has to be replaced there.`,
  INVALID_PURPOSE: (place) => `The certificate of ${place} is not meant for servers. It has to be replaced there.`,
  ERR_TLS_CERT_ALTNAME_INVALID: (place, { cert }) =>
    `The certificate of ${place} is for another host (${cert?.subjectaltname ?? 'it names none'}). Check the address, or set tls.server_name.`,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  CERT_REJECTED: untrusted,
  INVALID_CA: untrusted,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  // What node:tls says of any fault in the handshake that it notices while it writes.
  EPROTO: (place) =>
    `The TLS handshake with ${place} failed: it doesn't speak TLS, or none of our versions, or refused our certificate. Check the port, tls.cert and tls.key, and what it logs.`,
};

const NETWORK: { readonly [code: string]: Say } = {
  ENOTFOUND: (place) => `The name in ${place} is not known to the DNS.`,
  EAI_AGAIN: (place) => `The DNS gave no answer for the name in ${place}.`,
  ECONNREFUSED: (place) => `Nothing listens at ${place}.`,
  ECONNRESET: (place) => `${place} broke the connection.`,
  EPIPE: (place) => `${place} broke the connection.`,
  EHOSTUNREACH: (place) => `There is no way to ${place}.`,
  ENETUNREACH: (place) => `There is no way to ${place}.`,
  ETIMEDOUT: (place) => `${place} does not answer.`,
};

/** Alerts with which a server turns our certificate away (RFC 8446, section 6.2), as OpenSSL names them. */
const REFUSED_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED|NO_CERTIFICATE)$/;

const isTls = (code: string): boolean => Object.hasOwn(CERTIFICATE, code) || /^ERR_(SSL|TLS|OSSL)_/.test(code);

/**
 * What an error of the network means: a certificate, another protocol or a guarded address needs a person, all else
 * passes. `place`: host and port. Told by what the error declares (its name or code), never by its text.
 */
export const failureOf = (error: unknown, place: string): Failure => {
  const coded = error as Coded;
  // With several addresses Node tells of all that it tried (RFC 8305).
  const all = [coded, ...(coded.errors ?? [])];
  const guarded = all.find(({ name }) => name === 'GuardedAddress');
  if (guarded) return stopped(guarded.message);
  const code = all.map((one) => one.code).find((one) => one !== undefined && one !== '') ?? '';
  const certificate = CERTIFICATE[code];
  if (certificate) return stopped(certificate(place, coded));
  const alert = REFUSED_CERTIFICATE.exec(code)?.[1];
  if (alert !== undefined)
    return stopped(
      `${place} refused our client certificate (TLS alert ${alert.toLowerCase().replaceAll('_', ' ')}): check tls.cert and tls.key, or whom it trusts.`,
    );
  if (isTls(code)) return stopped(`TLS with ${place} failed: ${coded.message} (${code}). Check the certificates and versions on both sides.`);
  const known = NETWORK[code];
  return again(known ? known(place, coded) : `${place} can't be reached: ${coded.message || code}.`);
};

/** Whether an error came of TLS: of the certificate or of the handshake. */
export const isTlsError = (error: unknown): boolean => isTls((error as Coded).code ?? '');
