import type { Dial, Sender } from '../export/sender.js';
import type { Secrets } from '../outbound/index.js';
import { opened } from './config-secrets.js';
import type { Forwarder } from './definition.js';
import type { Destinations } from './destinations.js';

export type SenderParts = { readonly destinations: Destinations; readonly secrets: Secrets; readonly dial: Dial };

/** Makes a forwarder's sender, its secrets opened. Throws a sentence where that can't be done. */
export const senderOf = (
  { destinations, secrets, dial }: SenderParts,
  id: string,
  { destination, format }: Pick<Forwarder, 'destination' | 'format'>,
): Sender => {
  const { type, ...config } = destination;
  const kind = destinations.get(type);
  if (!kind) throw new Error(`This Verdict knows no destination "${type}"; it knows ${[...destinations.keys()].join(', ') || 'none'}.`);
  return kind.make(opened(secrets, id, config, kind.schema), { dial, format });
};
