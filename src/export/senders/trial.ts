import type { Trial } from '../../outbound/index.js';
import type { Sent, Step } from '../sender.js';

/** The last step: what the destination made of the message. */
export const conclude = (trial: Trial, sent: Sent, good: string): readonly Step[] => {
  if (sent.outcome !== 'accepted') trial.failed('accepted', sent);
  else if (sent.refused?.[0]) trial.failed('accepted', sent.refused[0]);
  else trial.done('accepted', good);
  return trial.steps;
};
