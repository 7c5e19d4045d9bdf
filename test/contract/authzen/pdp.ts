import { request as requestInTheClear } from 'node:http';
import { request as requestSecurely } from 'node:https';

/** The decision point under test: nothing but its address and a credential. */
export type Pdp = { readonly url: string; readonly token: string };

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly requestId: string | undefined;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests look at.
  readonly json: any;
};

type Sent = { readonly headers?: Readonly<Record<string, string>>; readonly method?: string };

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Sends a body as it is; `undefined` in its place sends none. Headers given replace those that a well-behaved client sends; an empty one is left out. */
export const send = ({ url, token }: Pdp, path: string, body: string | undefined, { headers = {}, method = 'POST' }: Sent = {}): Promise<Answer> =>
  new Promise((done, failed) => {
    const usual = { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
    const all = Object.entries({ ...usual, ...headers }).filter(([, value]) => value !== '');
    const request = url.startsWith('https:') ? requestSecurely : requestInTheClear;
    const outgoing = request(`${url}${path}`, { method, headers: Object.fromEntries(all), timeout: 20_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const id = response.headers['x-request-id'];
        done({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          requestId: Array.isArray(id) ? id.join(', ') : id,
          text,
          json: parsed(text),
        });
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('No answer within 20 s.')));
    outgoing.on('error', failed);
    outgoing.end(body);
  });

/** Asks with a JSON body. */
export const ask = (pdp: Pdp, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  send(pdp, path, JSON.stringify(body), { headers });
