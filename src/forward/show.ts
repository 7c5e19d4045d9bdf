import type { Entity } from '../evaluate/directory/types.js';
import type { JsonObject } from '../event/index.js';
import { masked } from './config-secrets.js';
import { eraOf, type Forwarder, readForwarder } from './definition.js';
import type { Destinations } from './destinations.js';
import type { FeedStatus, ReplayStatus } from './state.js';

/** A forwarder as its definition may be shown: without any secret. */
export const showDefinition = (id: string, forwarder: Forwarder, destinations: Destinations) => {
  const { destination, replays: _replays, ...rest } = forwarder;
  const { type, ...config } = destination;
  return { id, ...rest, destination: { type, ...masked(config, destinations.get(type)?.schema) } };
};

/** What a forwarder's event shows of it. */
export const redactForwarder = (entity: Entity, destinations: Destinations): JsonObject => {
  const forwarder = readForwarder(entity);
  if (!forwarder) return {};
  return { ...showDefinition(entity.id, forwarder, destinations), replays: forwarder.replays } as unknown as JsonObject;
};

const NOTHING: Omit<FeedStatus, 'era' | 'at'> = {
  state: 'waiting',
  reason: 'The pipeline has not taken it up yet.',
  sent: 0,
  refused: 0,
  withheld: 0,
  lag: { events: 0, seconds: 0 },
  replays: [],
};

/** A forwarder with how it does. What is wished for now counts before what was noted a moment ago. */
export const showForwarder = (id: string, forwarder: Forwarder, noted: FeedStatus | undefined, destinations: Destinations) => {
  const { era, at: _at, replays: made, ...rest } = noted ?? { ...NOTHING, era: '', replays: [] as readonly ReplayStatus[], at: '' };
  const isCurrent = era === eraOf(forwarder);
  const { reason: _reason, next_try: _next, state: _state, ...counts } = rest;
  const now = forwarder.paused
    ? { ...counts, state: 'paused' as const }
    : isCurrent && rest.state !== 'paused'
      ? rest
      : { ...counts, state: NOTHING.state, reason: NOTHING.reason };
  return {
    ...showDefinition(id, forwarder, destinations),
    ...now,
    replays: forwarder.replays.map((wished) => {
      const status = made.find((one) => one.id === wished.id);
      return { state: 'waiting', sent: 0, ...status, id: wished.id, from: wished.from, to: wished.to, asked: wished.asked };
    }),
  };
};

export type ShownForwarder = ReturnType<typeof showForwarder>;
