import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config.js';
import { kafkaPublisher } from '../../src/ingest/kafka-publisher.js';
import { kafkaClient } from '../../src/kafka/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { describeWithKafka, type KafkaCluster, startKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';
import { eventually, kafkaLine, numbered } from '../peers/kafka-line.js';
import { testWriter } from '../peers/kafka-writer.js';

const PASSWORD = 'test-only, "quoted" & long';
/** So short that every connection must authenticate anew after a few seconds. */
const TOKEN_S = 14;
const NO_SASL: KafkaConfig['sasl'] = { mechanism: '', username: '', password: '', token_url: '', client_id: '', client_secret: '', scope: '' };

/** A token as the broker's callback handler for unsecured tokens takes it (RFC 7515, appendix A.5). */
const unsecuredToken = (seconds: number): string => {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode({ alg: 'none' })}.${encode({ sub: 'verdict', iat: now, exp: now + seconds })}.`;
};

await describeWithKafka('a broker that demands TLS and SASL', () => {
  let folder: string;
  let kafka: KafkaCluster;
  let tls: KafkaConfig['tls'];
  let tokens: Server;
  let tokenUrl: string;
  let tokensGiven = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'verdict-kafka-tls-'));
    const ca = makeAuthority(folder, 'authority');
    const broker = makeCertificate(folder, 'authority', 'broker');
    const { cert, key } = makeCertificate(folder, 'authority', 'client');
    tls = { enabled: true, ca, cert, key };
    tokens = createServer((request, response) => {
      const isKnown = request.headers.authorization === `Basic ${Buffer.from(`verdict:${encodeURIComponent(PASSWORD)}`).toString('base64')}`;
      if (isKnown) tokensGiven += 1;
      request.resume();
      response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(isKnown ? { access_token: unsecuredToken(TOKEN_S), token_type: 'Bearer', expires_in: TOKEN_S } : { error: 'invalid_client' }),
      );
    });
    await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
    tokenUrl = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
    const quoted = PASSWORD.replaceAll('"', '\\\\"');
    const module = 'org.apache.kafka.common.security';
    kafka = await startKafka({
      brokers: 1,
      client: 'SASL_SSL',
      scram: [
        `SCRAM-SHA-256=[name=verdict,password=${PASSWORD.replaceAll('"', '').replaceAll(',', '')}]`,
        `SCRAM-SHA-512=[name=verdict,password=${PASSWORD.replaceAll('"', '').replaceAll(',', '')}]`,
      ],
      settings: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': broker.both,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': ca,
        'listener.name.client.ssl.client.auth': 'required',
        'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
        'listener.name.client.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required user_verdict="${quoted}";`,
        'listener.name.client.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
        'listener.name.client.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
        'listener.name.client.oauthbearer.sasl.jaas.config': `${module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
        'listener.name.client.oauthbearer.connections.max.reauth.ms': '60000',
      },
    });
  }, 120_000);
  afterAll(async () => {
    await kafka?.stop();
    tokens?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const config = (sasl: Partial<KafkaConfig['sasl']>, changes: Partial<KafkaConfig> = {}): KafkaConfig =>
    kafkaConfig(kafka.brokers, { tls, sasl: { ...NO_SASL, ...sasl }, ...changes });

  const scramPassword = PASSWORD.replaceAll('"', '').replaceAll(',', '');

  test.each([
    ['plain', PASSWORD],
    ['scram-sha-256', scramPassword],
    ['scram-sha-512', scramPassword],
  ] as const)('events go through with %s', async (mechanism, password) => {
    const line = await kafkaLine(config({ mechanism, username: 'verdict', password }));
    const reader = await line.read();
    await line.write(numbered('a', 10));
    await eventually('all arrived', () => reader.notes.length === 10);
    await line.close();
  });

  test('events go through with tokens, which are fetched anew before they expire', { timeout: 60_000 }, async () => {
    const line = await kafkaLine(config({ mechanism: 'oauthbearer', token_url: tokenUrl, client_id: 'verdict', client_secret: PASSWORD }));
    const reader = await line.read();
    await line.write(numbered('b', 1));
    const given = tokensGiven;
    for (let round = 0; round < 30; round += 1) {
      await line.write(numbered('a', 1, round));
      await delay(500);
    }
    await eventually('all arrived', () => new Set(reader.notes).size === 31);
    expect(tokensGiven).toBeGreaterThan(given);
    await line.close();
  });

  /** What a publisher says that can't get through. */
  const complaint = async (settings: KafkaConfig): Promise<string> => {
    const log = pino({ level: 'silent' });
    const publisher = kafkaPublisher(settings, { client: kafkaClient(settings, log), log, quarantine: { put: () => Promise.resolve() } });
    const said = await publisher.publish([testWriter().chunk(numbered('a', 1))]).then(
      () => 'nothing',
      (error: Error) => error.message,
    );
    await publisher.close();
    return said;
  };

  test('a wrong password is said, without the password', { timeout: 60_000 }, async () => {
    const said = await complaint(config({ mechanism: 'scram-sha-512', username: 'verdict', password: 'not-the-password' }));
    expect(said).toContain('they wait in the journal');
    expect(said).toMatch(/authentication/i);
    expect(said).not.toContain('not-the-password');
  });

  test('a token service that refuses is said, without the secret', { timeout: 60_000 }, async () => {
    const said = await complaint(config({ mechanism: 'oauthbearer', token_url: tokenUrl, client_id: 'verdict', client_secret: 'not-the-secret' }));
    expect(said).toContain('answered 401 instead of a token');
    expect(said).not.toContain('not-the-secret');
  });

  test('a broker whose certificate is of another authority is not spoken to', { timeout: 60_000 }, async () => {
    const other = makeAuthority(folder, 'other');
    const said = await complaint(config({ mechanism: 'plain', username: 'verdict', password: PASSWORD }, { tls: { ...tls, ca: other } }));
    expect(said).toMatch(/certificate|issuer/i);
  });

  test('a client without a certificate is refused where the broker wants one', { timeout: 60_000 }, async () => {
    const said = await complaint(config({ mechanism: 'plain', username: 'verdict', password: PASSWORD }, { tls: { ...tls, cert: '', key: '' } }));
    expect(said).toContain('takes no events at the moment');
  });
});
