import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import type { KafkaConfig } from '../config.js';
import { tokenSource } from './token.js';

/** A setting under `kafka` that can't be used. The message names it and says what is expected. */
export class KafkaConfigError extends Error {
  override readonly name = 'KafkaConfigError';
}

const read = (key: string, path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new KafkaConfigError(`${key} names ${path}, which can't be read (${(error as NodeJS.ErrnoException).code ?? 'error'}); give a readable PEM file.`);
  }
};

/** TLS for connections to brokers; undefined where it is off. The broker's certificate is always checked. */
export const tlsOf = ({ enabled, ca, cert, key }: KafkaConfig['tls']): ConnectionOptions | undefined => {
  if (!enabled) {
    if (ca || cert || key) throw new KafkaConfigError('kafka.tls.ca, cert or key is set but kafka.tls.enabled is false; set it to true, or remove the files.');
    return undefined;
  }
  if (Boolean(cert) !== Boolean(key)) throw new KafkaConfigError('kafka.tls.cert and kafka.tls.key belong together: set both, or neither.');
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca && { ca: [read('kafka.tls.ca', ca)] }),
    ...(cert && { cert: read('kafka.tls.cert', cert), key: read('kafka.tls.key', key) }),
  };
};

const need = (sasl: KafkaConfig['sasl'], ...keys: readonly (keyof KafkaConfig['sasl'])[]): void => {
  for (const key of keys) if (!sasl[key]) throw new KafkaConfigError(`kafka.sasl.mechanism is ${sasl.mechanism}, which needs kafka.sasl.${key}; it is empty.`);
};

/** SASL for connections to brokers; undefined where no mechanism is chosen. */
export const saslOf = (sasl: KafkaConfig['sasl']): SASLOptions | undefined => {
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case '':
      return undefined;
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512':
      need(sasl, 'username', 'password');
      return { mechanism, username, password } as SASLOptions;
    case 'oauthbearer':
      need(sasl, 'token_url', 'client_id', 'client_secret');
      checkTokenUrl(sasl.token_url);
      return { mechanism, oauthBearerProvider: tokenSource(sasl) };
  }
};

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

const checkTokenUrl = (text: string): void => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname))) return;
  throw new KafkaConfigError(`kafka.sasl.token_url must be an https URL (http on loopback only), not "${text}": the client's secret is sent there.`);
};
