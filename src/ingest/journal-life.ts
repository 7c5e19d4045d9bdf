import { type EventDraft, newEventId, type Position, SYSTEM_ACCOUNT } from '../event/index.js';

/** An act of the journal itself, under Verdict's own account. */
const lifeEvent = (action: string, log: string, details: NonNullable<EventDraft['details']>, now: number): EventDraft => ({
  id: newEventId(),
  timestamp: new Date(now).toISOString(),
  account: SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action,
  resource: { type: 'log', id: log },
  result: 'success',
  source: 'verdict',
  details,
});

/** A log begins. */
export const logOpened = (log: string, now: number): EventDraft => lifeEvent('log.opened', log, { log }, now);

/** How far a log got. */
export const logHead = ({ log, seq }: Position, now: number): EventDraft => lifeEvent('log.head', log, { log, last: seq }, now);

/** A log ended with its event `seq`: in order, or as it was found after a crash. */
export const logClosed = ({ log, seq }: Position, clean: boolean, now: number): EventDraft => lifeEvent('log.closed', log, { log, last: seq, clean }, now);
