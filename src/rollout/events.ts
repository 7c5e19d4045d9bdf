import { type EventDraft, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import type { Admitted, Refused } from './admit.js';

/** Where an event of the rollout comes from. */
export type RolloutPlace = { readonly origin: string; readonly region: string; readonly now: () => number };

const draft = (place: RolloutPlace, action: string, id: string): Omit<EventDraft, 'result'> => ({
  id: newEventId(),
  timestamp: new Date(place.now()).toISOString(),
  account: SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action,
  resource: { type: 'policy', id },
  source: 'verdict',
  ...(place.region !== '' && { region: place.region }),
});

/** `policy.activate`: from now on this node decides by another bundle. `from` is null where there was none before. */
export const activation = (place: RolloutPlace, from: string | undefined, to: Admitted): EventDraft => ({
  ...draft(place, 'policy.activate', to.revision),
  result: 'success',
  details: {
    from: from ?? null,
    to: to.revision,
    origin: place.origin,
    ...(to.sequence !== undefined && { sequence: to.sequence }),
    ...(to.signedBy !== undefined && { signed_by: to.signedBy }),
  },
});

/** `policy.refuse`: a bundle was offered and not taken. It is named by the SHA-256 of its bytes: it may be nothing that has a revision. */
export const refusal = (place: RolloutPlace, inForce: string | undefined, refused: Refused): EventDraft => ({
  ...draft(place, 'policy.refuse', refused.digest),
  result: 'failure',
  details: { reason: refused.code, message: refused.message, origin: place.origin, in_force: inForce ?? null },
});
