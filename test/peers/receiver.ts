import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One event as it arrived. */
export type Arrived = {
  readonly id: string;
  readonly account: string;
  readonly action: string;
  readonly log: string;
  readonly seq: number;
  readonly recorded: string;
};

/** How a receiver answers a request; `undefined`: it takes everything. */
export type Reply = (events: readonly Arrived[], response: ServerResponse) => boolean | undefined | Promise<boolean | undefined>;

export type Receiver = {
  readonly url: string;
  /** In the order of arrival, with all that came again. */
  readonly events: readonly Arrived[];
  readonly ids: () => ReadonlySet<string>;
  readonly requests: () => number;
  readonly authorizations: ReadonlySet<string>;
  /** Answers by this from now on. It has answered, where it gives true. */
  readonly answer: (reply: Reply | undefined) => void;
  /** Ends it, connections and all; `up` listens on the same port again. */
  readonly down: () => Promise<void>;
  readonly up: () => Promise<void>;
};

/** Set for a family, so that it may reach this machine and keep secrets. */
export const RECEIVER_ENV = {
  VERDICT_OUTBOUND_ALLOW: '127.0.0.0/8',
  VERDICT_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
};

/** The destination that leads to a receiver: the shipped one for any endpoint. `more` is laid over it. */
export const destinationTo = ({ url }: Pick<Receiver, 'url'>, more: object = {}) => ({ type: 'https', url, plain_http: true, ...more });

/** A server that takes newline-delimited JSON, as a collector would. What it has answered with 200 it keeps. */
export const startReceiver = async (): Promise<Receiver> => {
  const events: Arrived[] = [];
  const seen = new Set<string>();
  const authorizations = new Set<string>();
  let requests = 0;
  let reply: Reply | undefined;
  let port = 0;
  let server: Server;

  const listen = async (): Promise<void> => {
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => void take(Buffer.concat(parts).toString('utf8'), request.headers.authorization ?? '', response));
    });
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    port = (server.address() as AddressInfo).port;
  };

  const take = async (text: string, authorization: string, response: ServerResponse): Promise<void> => {
    requests += 1;
    authorizations.add(authorization);
    const came = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Arrived]));
    if (await reply?.(came, response)) return;
    for (const event of came) {
      events.push(event);
      seen.add(event.id);
    }
    response.writeHead(200).end('{}');
  };

  await listen();
  return {
    url: `http://127.0.0.1:${port}/events`,
    events,
    ids: () => seen,
    requests: () => requests,
    authorizations,
    answer: (next) => {
      reply = next;
    },
    down: async () => {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
    up: listen,
  };
};

/** For each account, the places in the order in which they came first: rising within each log where order was kept. */
export const disorderIn = (events: readonly Arrived[]): readonly string[] => {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const { account, log, seq, id } of events) {
    const place = `${log}/${seq}`;
    if (seen.has(place)) continue;
    seen.add(place);
    const before = last.get(`${account} ${log}`) ?? 0;
    if (seq < before) wrong.push(`${account} ${id}: ${place} after ${before}`);
    last.set(`${account} ${log}`, Math.max(before, seq));
  }
  return wrong;
};
