import { SENDERS, syslog } from './export/index.js';
import { type Destinations, destinationsOf } from './forward/index.js';

/** Every kind of destination that this Verdict has. */
export const DESTINATIONS: Destinations = destinationsOf([syslog, ...SENDERS]);
