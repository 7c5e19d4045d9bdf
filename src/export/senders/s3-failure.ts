import { again, type Failure, failureOf, retryAfter, stopped } from '../../outbound/index.js';

/** What the SDK's errors carry: S3's error code as `name`, and the answer's status and headers. */
type S3Failure = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: { readonly [name: string]: string } };
};

/** S3's error codes that a person must see to, with what to do. All others go by their status. */
const STOPS: { readonly [code: string]: string } = {
  AccessDenied: 'The credentials need s3:PutObject (and s3:PutObjectRetention for object lock) on the bucket.',
  NoSuchBucket: 'The bucket is not there: make it, or check its name and region.',
  InvalidAccessKeyId: 'The access key is not known there.',
  SignatureDoesNotMatch: 'The secret access key is wrong.',
  ExpiredToken: 'The session token has expired.',
  InvalidToken: 'The session token is wrong.',
  PermanentRedirect: 'The bucket is in another region: set region.',
  AuthorizationHeaderMalformed: 'The bucket is in another region: set region.',
  RequestTimeTooSkewed: "The clocks differ by more than S3 allows: check this machine's.",
  InvalidRequest: 'Check object_lock: the bucket must have been made with object lock.',
};

const AGAIN = new Set([408, 409, 425, 429]);

export const statusOf = (error: unknown): number | undefined => (error as S3Failure).$metadata?.httpStatusCode;

/** The codes by which S3 says that an object of that name is there already. */
export const isThere = (error: unknown): boolean => statusOf(error) === 412;

/** What a failed request to S3 means. */
export const s3Failure = (error: unknown, { place, now }: { readonly place: string; readonly now: number }): Failure => {
  const { name, message, $response } = error as S3Failure;
  const status = statusOf(error);
  if (status === undefined || name === 'TimeoutError') return failureOf(error, place);
  const reason = `S3 answered ${status} ${name}${message && message !== name ? `: ${message.replace(/[.\s]+$/, '')}` : ''}.`;
  const advice = Object.hasOwn(STOPS, name) ? STOPS[name] : undefined;
  if (advice !== undefined) return stopped(`${reason} ${advice}`);
  if (status >= 500 || AGAIN.has(status)) return again(reason, retryAfter($response?.headers?.['retry-after'], now));
  return stopped(reason);
};
