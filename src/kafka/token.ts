import type { KafkaConfig } from '../config.js';

/**
 * A token is used again while so much of its life is left: kafkajs authenticates a connection anew 10 s before its token
 * ends, and the broker allows that once a second, so a token about to end would be refused again and again.
 */
const SPARE = { part: 0.2, ms: 30_000 };
const DEFAULT_LIFE_S = 300;
const ANSWER_MS = 10_000;

type Token = { readonly value: string };
type Settings = Pick<KafkaConfig['sasl'], 'token_url' | 'client_id' | 'client_secret' | 'scope'>;

/**
 * Tokens by client credentials (RFC 6749, section 4.4; the client authenticates by HTTP Basic, section 2.3.1), one for
 * all connections until most of its life is over. Rejects with a sentence that never carries the secret or the token.
 */
export const tokenSource = (settings: Settings, now: () => number = Date.now): (() => Promise<Token>) => {
  let current: { readonly token: Promise<Token>; until: number } | undefined;
  return () => {
    if (current && now() < current.until) return current.token;
    const asked = { until: Number.POSITIVE_INFINITY, token: Promise.resolve<Token>({ value: '' }) };
    asked.token = fetchToken(settings).then(
      ({ value, seconds }) => {
        asked.until = now() + seconds * 1000 - Math.max(SPARE.ms, seconds * 1000 * SPARE.part);
        return { value };
      },
      (error: unknown) => {
        if (current === asked) current = undefined;
        throw error;
      },
    );
    current = asked;
    return asked.token;
  };
};

const fetchToken = async ({ token_url, client_id, client_secret, scope }: Settings): Promise<{ readonly value: string; readonly seconds: number }> => {
  const credentials = `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`;
  const response = await fetch(token_url, {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS),
    headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, accept: 'application/json' },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }) }),
  }).catch((error: unknown) => {
    const { cause, message } = error as Error & { cause?: Error };
    throw new Error(`kafka.sasl.token_url ${token_url} can't be reached: ${cause?.message ?? message}.`);
  });
  if (!response.ok)
    throw new Error(`kafka.sasl.token_url ${token_url} answered ${response.status} instead of a token; check kafka.sasl.client_id and client_secret.`);
  const answer = (await response.json().catch(() => ({}))) as { access_token?: unknown; expires_in?: unknown };
  if (typeof answer.access_token !== 'string' || answer.access_token === '')
    throw new Error(`kafka.sasl.token_url ${token_url} answered without an access_token (RFC 6749, section 5.1).`);
  return { value: answer.access_token, seconds: typeof answer.expires_in === 'number' && answer.expires_in > 0 ? answer.expires_in : DEFAULT_LIFE_S };
};
