import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { tokenSource } from './token.js';

let server: Server | undefined;
afterEach(() => void server?.close());

const serve = async (answer: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<string> => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => {
      body += part.toString();
    });
    request.on('end', () => answer(request, body, response));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
};

const SETTINGS = { client_id: 'ver dict', client_secret: 's:cr+t', scope: 'kafka' };

describe("a client's tokens", () => {
  test('are asked for by client credentials', async () => {
    const asked: { readonly authorization: string | undefined; readonly body: string }[] = [];
    const token_url = await serve((request, body, response) => {
      asked.push({ authorization: request.headers.authorization, body });
      response.end(JSON.stringify({ access_token: 'abc', expires_in: 300 }));
    });
    expect(await tokenSource({ token_url, ...SETTINGS })()).toEqual({ value: 'abc' });
    expect(asked).toEqual([
      { authorization: `Basic ${Buffer.from('ver%20dict:s%3Acr%2Bt').toString('base64')}`, body: 'grant_type=client_credentials&scope=kafka' },
    ]);
  });

  test('are shared until most of their life is over', async () => {
    let given = 0;
    const token_url = await serve((_request, _body, response) => {
      given += 1;
      response.end(JSON.stringify({ access_token: `token-${given}`, expires_in: 300 }));
    });
    let now = 0;
    const token = tokenSource({ token_url, ...SETTINGS }, () => now);
    expect(await Promise.all([token(), token()])).toEqual([{ value: 'token-1' }, { value: 'token-1' }]);
    now = 239_000;
    expect(await token()).toEqual({ value: 'token-1' });
    now = 241_000;
    expect(await token()).toEqual({ value: 'token-2' });
  });

  test('that could not be had are asked for again', async () => {
    let isUp = false;
    const token_url = await serve((_request, _body, response) => {
      response.writeHead(isUp ? 200 : 503).end(JSON.stringify({ access_token: 'abc' }));
    });
    const token = tokenSource({ token_url, ...SETTINGS });
    await expect(token()).rejects.toThrow('answered 503 instead of a token');
    isUp = true;
    expect(await token()).toEqual({ value: 'abc' });
  });

  test('are refused where the answer holds none, or sends the secret elsewhere', async () => {
    const token_url = await serve((request, _body, response) => {
      if (request.url === '/token') response.end('{"token":"abc"}');
      else response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end();
    });
    await expect(tokenSource({ token_url, ...SETTINGS })()).rejects.toThrow('without an access_token');
    await expect(tokenSource({ token_url: `${token_url}/moved`, ...SETTINGS })()).rejects.toThrow("can't be reached");
  });
});
