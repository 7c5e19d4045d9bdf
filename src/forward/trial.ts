import { type EventDraft, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import type { Outgoing, Sender, Step } from '../export/sender.js';
import type { Recorded } from '../ingest/index.js';
import type { Forwarder } from './definition.js';

export type TrialDeps = {
  readonly append: (drafts: readonly EventDraft[]) => Promise<readonly Recorded[]>;
  readonly actor: EventDraft['actor'];
  readonly requestId: string;
};

const TRIAL_MS = 20_000;

const draftOf = (id: string, { name, accounts }: Forwarder, { actor, requestId }: TrialDeps): EventDraft => ({
  id: newEventId(),
  timestamp: new Date().toISOString(),
  account: accounts !== 'all' && accounts.length === 1 ? (accounts[0] as string) : SYSTEM_ACCOUNT,
  kind: 'activity',
  actor,
  action: 'forwarder.test',
  resource: { type: 'forwarder', id, name },
  result: 'success',
  details: { test: true, message: 'This is a trial of a Verdict forwarder.' },
  request: { id: requestId },
  source: 'verdict',
});

/** Sends one marked event, which is recorded first as any other, and says what each step did. */
export const runTrial = async (id: string, forwarder: Forwarder, sender: Sender, deps: TrialDeps): Promise<readonly Step[]> => {
  const draft = draftOf(id, forwarder, deps);
  const [place] = await deps.append([draft]);
  if (!place) throw new Error('The journal gave no place.');
  const { source, ...head } = draft;
  const event = { ...head, recorded: place.recorded, source, log: place.log, seq: place.seq } as unknown as Outgoing['event'];
  const message: Outgoing = { event, raw: JSON.stringify(event), log: place.log, seq: place.seq };
  try {
    return await sender.test(message, AbortSignal.timeout(TRIAL_MS));
  } catch (error) {
    return [{ step: 'send', ok: false, detail: (error as Error).message, ms: 0 }];
  } finally {
    await sender.close();
  }
};
