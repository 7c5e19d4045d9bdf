import type { JsonObject } from '../event/index.js';
import { type ConfigSchema, opened as openedFor, type Secrets, sealed as sealedFor } from '../outbound/index.js';
import { FORWARDER_TYPE } from './definition.js';

export { hasMask, MASK, masked, sameButSecrets, withKept } from '../outbound/index.js';

const ownerOf = (id: string): string => `${FORWARDER_TYPE}/${id}`;

/** Encrypts a forwarder's secrets, each bound to the forwarder and its place. Throws SecretError. */
export const sealed = (secrets: Secrets, id: string, config: JsonObject, kept: JsonObject | undefined, schema: ConfigSchema): JsonObject =>
  sealedFor(secrets, ownerOf(id), config, kept, schema);

/** The configuration with its secrets in the clear, for the sender alone. Throws SecretError. */
export const opened = (secrets: Secrets, id: string, config: JsonObject, schema: ConfigSchema): JsonObject => openedFor(secrets, ownerOf(id), config, schema);
