import { createHash, createHmac } from 'node:crypto';

/** A secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
export const WEBHOOK_SECRET = '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$';

const LEAST = 24;
const MOST = 64;

/** The key in a secret. Throws a sentence where it is none. */
export const webhookKey = (secret: string, setting: string): Buffer => {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  if (!secret.startsWith('whsec_') || key.length < LEAST || key.length > MOST)
    throw new Error(`${setting} is no secret of Standard Webhooks: it must be whsec_ and ${LEAST} to ${MOST} bytes in base64.`);
  return key;
};

/** The id of a message: the same for the same bytes, so that a receiver knows one that comes twice. */
export const webhookId = (body: Buffer): string => `msg_${createHash('sha256').update(body).digest('hex').slice(0, 32)}`;

/** One signature (version 1, "Signature scheme"): HMAC-SHA256 over `id.timestamp.body`, the timestamp in seconds. */
export const webhookSignature = (key: Buffer, id: string, timestamp: string, body: Buffer): string =>
  `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;

/**
 * The headers of Standard Webhooks 1.0.0, with a signature for each key, so that a receiver may know either while a
 * secret is exchanged. `now`: milliseconds since 1970.
 */
export const webhookHeaders = (keys: readonly Buffer[], body: Buffer, now: number): { readonly [name: string]: string } => {
  const id = webhookId(body);
  const timestamp = String(Math.floor(now / 1000));
  const signatures = keys.map((key) => webhookSignature(key, id, timestamp, body));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }) };
};
