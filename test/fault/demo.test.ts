import { expect, it } from 'vitest';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { clientOf, failedStart, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Listing = { readonly data: { readonly entities: readonly { readonly properties: { readonly played: number; readonly done: boolean } }[] } };

const TO_TRY = /Try, in another terminal/;

it('a sample day that was cut off midway is played to its end at the next start, and not once more after that', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  const env = { VERDICT_LOG_LEVEL: 'error' };
  const progressOf = async (node: { readonly url: string; readonly token: string }) => {
    const client = clientOf(node);
    const { data } = await client.json<Listing>('GET', '/v1/entities/sample');
    client.close();
    return data.entities[0]?.properties;
  };

  const first = await startVerdict({ folder, env, args: ['--demo'] });
  await until('some of the day', async () => (((await progressOf(first))?.played ?? 0) > 0 ? true : undefined));
  for (const pid of first.processes()) process.kill(pid, 'SIGKILL');
  expect(first.output()).not.toMatch(TO_TRY);

  const second = await startVerdict({ folder, env, args: ['--demo'] });
  await until('the end of the day', () => (TO_TRY.test(second.output()) ? true : undefined), 60_000);
  expect(second.output()).toContain('The sample platform is in place');
  const done = await progressOf(second);
  expect(done).toMatchObject({ done: true });
  expect(await second.stop()).toBe(0);

  const third = await startVerdict({ folder, env, args: ['--demo'] });
  await until('the third start', () => (TO_TRY.test(third.output()) ? true : undefined), 60_000);
  expect(third.output()).toContain('the sample platform is left out');
  expect(await progressOf(third)).toEqual(done);
  expect(await third.stop()).toBe(0);
  removeFolder(folder);
});

it('a sample day over TLS is refused in one sentence', async () => {
  const folder = temporaryFolder();
  makeAuthority(folder, 'authority');
  const { cert, key } = makeCertificate(folder, 'authority', 'server');
  const failed = await failedStart({ folder, args: ['--demo'], env: { VERDICT_HTTP_TLS_CERT: cert, VERDICT_HTTP_TLS_KEY: key } });
  expect(failed.code).not.toBe(0);
  expect(failed.output).toContain('--demo is played over plain HTTP');
  removeFolder(folder);
});
