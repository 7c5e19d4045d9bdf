import { type EventDraft, type JsonObject, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import type { Forwarder } from './definition.js';

type Act = {
  readonly action: 'forwarder.stopped' | 'forwarder.refused' | 'forwarder.withheld';
  readonly account?: string;
  readonly details: JsonObject;
};

/** The account that a forwarder's own acts are recorded under. */
const accountOf = ({ accounts }: Forwarder): string => (accounts !== 'all' && accounts.length === 1 ? (accounts[0] as string) : SYSTEM_ACCOUNT);

/** An act of a forwarder, as an event. */
export const forwarderEvent = (id: string, forwarder: Forwarder, { action, account, details }: Act): EventDraft => ({
  id: newEventId(),
  timestamp: new Date().toISOString(),
  account: account ?? accountOf(forwarder),
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action,
  resource: { type: 'forwarder', id, name: forwarder.name },
  result: 'failure',
  details,
  source: 'verdict',
});
