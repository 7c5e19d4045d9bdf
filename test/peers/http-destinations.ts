import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../src/event/index.js';
import { type Destination, type Outgoing, SENDERS, type Sender, type SenderDeps } from '../../src/export/index.js';
import { outgoing } from './any-event.js';
import { type Asked, answer, openDial } from './collector.js';
import { anEvent } from './events.js';

export const SECRET = 'the-secret-of-this-test';

/** The destination of a type. */
export const destinationOf = (type: string): Destination => {
  const found = SENDERS.find((one) => one.type === type);
  if (!found) throw new Error(`There is no destination ${type}.`);
  return found;
};

/** What an HTTP destination is in a test: its configuration, how it says that all is well, and how many events a request had. */
export type HttpDestination = {
  readonly type: string;
  readonly config: (url: string) => JsonObject;
  readonly accept: (response: ServerResponse, asked: Asked) => void;
  readonly eventsIn: (asked: Asked) => number;
};

const lines = (text: string): number => text.split('\n').length - 1;

export const HTTP_DESTINATIONS: readonly HttpDestination[] = [
  {
    type: 'splunk',
    config: (url) => ({ url, token: SECRET }),
    accept: (response) => answer(response, 200, { text: 'Success', code: 0 }),
    eventsIn: ({ body }) => lines(body),
  },
  {
    type: 'datadog',
    config: (url) => ({ url: `${url}/api/v2/logs`, api_key: SECRET }),
    accept: (response) => answer(response, 202, {}),
    eventsIn: ({ body }) => (JSON.parse(body) as unknown[]).length,
  },
  {
    type: 'elastic',
    config: (url) => ({ url, index: 'logs-verdict.audit-default', api_key: SECRET }),
    accept: (response, { body }) =>
      answer(response, 200, { errors: false, items: Array.from({ length: lines(body) / 2 }, () => ({ create: { status: 201 } })) }),
    eventsIn: ({ body }) => lines(body) / 2,
  },
  {
    type: 'sumo-logic',
    config: (url) => ({ url: `${url}/receiver/v1/http/${SECRET}` }),
    accept: (response) => void response.writeHead(200).end(),
    eventsIn: ({ body }) => lines(body),
  },
  {
    type: 'https',
    config: (url) => ({ url, authorization: `Bearer ${SECRET}` }),
    accept: (response) => void response.writeHead(204).end(),
    eventsIn: ({ body }) => lines(body),
  },
];

/** A sender to a collector at `url`, by plain HTTP where that is what the address says. */
export const senderTo = (type: string, url: string, more: JsonObject = {}, deps: Partial<SenderDeps> = {}): Sender => {
  const { config } = HTTP_DESTINATIONS.find((one) => one.type === type) as HttpDestination;
  const { make, formats } = destinationOf(type);
  return make({ ...config(url), plain_http: url.startsWith('http:'), ...more }, { dial: openDial, format: formats[0], ...deps });
};

/** So many events, one after the other. */
export const events = (count: number, more: object = {}): readonly Outgoing[] =>
  Array.from({ length: count }, (_, n) => outgoing(anEvent({ seq: n + 1, id: `e-${n + 1}`, ...more })));

/** A signal that never comes. */
export const never: AbortSignal = new AbortController().signal;
