import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { addressGuard, failureOf, guardedDial, outboundRequest } from './index.js';

const running: (() => void)[] = [];
afterEach(() => {
  for (const stop of running.splice(0)) stop();
});

const serve = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer);
  running.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
};
const ask = outboundRequest(guardedDial(addressGuard(['127.0.0.1'])));
const never = new AbortController().signal;

describe('an outbound request', () => {
  it('has status, headers and the whole body as its answer, whatever the status', async () => {
    const url = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => response.writeHead(503, { 'retry-after': '7' }).end(`got ${text}`));
    });
    const answer = await ask({ url, method: 'POST', body: 'ä', headers: { 'content-type': 'text/plain' } }, never);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '7' }, body: 'got ä', url });
  });

  it('fails where nothing is heard, where the answer breaks off or is endless, and where it is told to stop', async () => {
    const silent = await serve(() => undefined);
    await expect(ask({ url: silent, method: 'GET', silence_ms: 100 }, never)).rejects.toThrow('It said nothing for 0.1 s.');
    await expect(ask({ url: silent, method: 'GET' }, AbortSignal.timeout(100))).rejects.toThrow();
    await expect(ask({ url: silent, method: 'GET' }, AbortSignal.abort())).rejects.toThrow();
    const broken = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setTimeout(() => response.destroy(), 50);
    });
    await expect(ask({ url: broken, method: 'GET' }, never)).rejects.toThrow();
    const endless = await serve((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    });
    await expect(ask({ url: endless, method: 'GET' }, never)).rejects.toThrow('longer than');
  });

  it('that fails is told in one sentence, with whether it passes', async () => {
    const url = await serve(() => undefined);
    for (const stop of running.splice(0)) stop();
    const failure = await ask({ url, method: 'GET' }, never).then(
      () => undefined,
      (error: unknown) => failureOf(error, new URL(url).host),
    );
    expect(failure).toEqual({ outcome: 'again', reason: `Nothing listens at ${new URL(url).host}.` });
    const guarded = await ask({ url: 'http://169.254.169.254/', method: 'GET' }, never).catch((error: unknown) => failureOf(error, 'it'));
    expect(guarded).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('169.254.169.254') as string });
  });
});
