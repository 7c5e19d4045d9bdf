import { type EventDraft, type Position, SYSTEM_ACCOUNT } from '../event/index.js';
import type { PrecedentAsked } from '../store/index.js';
import { type Authority, authorityOf } from './authority.js';
import { repeated } from './repeat.js';
import type { Report, Reports } from './reports.js';

export type BypassConfig = {
  readonly sources: readonly string[];
  /** How long before a change its decision may have been made, in milliseconds. */
  readonly window_ms: number;
  /** How long a report waits for decisions that are recorded elsewhere, in milliseconds. */
  readonly grace_ms: number;
};

export type BypassDeps = {
  readonly reports: Reports;
  /** Rejects where the store can't answer: then the same is asked later. */
  readonly precedent: (asked: PrecedentAsked) => Promise<Position | undefined>;
  /** Everything recorded by then (milliseconds since the epoch) that comes through this node is in the store. */
  readonly completeUntil: () => number;
  /** Puts an event into the journal, unless one of the same name `once` is there. Rejects where it takes none now. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
  readonly warn: (sentence: string) => void;
  readonly now?: () => number;
};

export const UNAUTHORISED = 'platform.unauthorised_change';
const LOOK_MS = 1_000;
/** What clocks of a fleet's nodes may be apart: a decision may seem to be made so much after the change that it allowed. */
const SKEW_MS = 2_000;
const AT_ONCE = 200;

/** The record of a change that nobody was asked about. Each node of a fleet that finds it makes the same event: it is shown once. */
const unauthorised = (report: Report, minutes: number): EventDraft => ({
  id: `unauthorised-${report.key}`,
  timestamp: report.timestamp,
  account: report.account,
  kind: 'activity',
  actor: { type: 'service', id: report.source },
  action: UNAUTHORISED,
  resource: report.resource,
  result: 'failure',
  details: {
    change: report.action,
    evidence: { id: report.id, source: report.source, log: report.log, seq: report.seq },
    window_minutes: minutes,
    ...(report.since !== undefined && { since: report.since }),
  },
  ...(report.region !== undefined && { region: report.region }),
  source: 'verdict',
});

/**
 * Judges what sources of ground truth report: a change without an allowed decision before it is recorded as
 * `platform.unauthorised_change`. It only reads the store and its own memory: it holds nothing back, and what the store
 * can't answer now is judged later.
 */
export const bypassDetection = (config: BypassConfig, deps: BypassDeps) => {
  const now = deps.now ?? Date.now;
  let isStopping = false;

  const spanOf = (report: Report): { readonly from: number; readonly to: number } => {
    const time = Date.parse(report.timestamp);
    const since = report.since === undefined ? time : Math.min(time, Date.parse(report.since));
    return { from: since - config.window_ms, to: time + SKEW_MS };
  };

  const isDecided = async (report: Report, { exact, anywhere }: Authority): Promise<boolean> => {
    const { type, id } = report.resource;
    const isOwned = report.account !== SYSTEM_ACCOUNT;
    const asked = { kind: 'decision', result: 'allowed', types: [type], ...spanOf(report), ...(isOwned && { account: report.account }) } as const;
    if (await deps.precedent({ ...asked, actions: exact, id })) return true;
    // Who may create in one account has allowed nothing in another, nor a machine that the directory doesn't know.
    return isOwned && anywhere.length > 0 && (await deps.precedent({ ...asked, actions: anywhere, types: [type, 'account'] })) !== undefined;
  };

  const isAccountedFor = async (report: Report): Promise<boolean> => {
    const authority = authorityOf(report.action);
    if (!authority || (await isDecided(report, authority))) return true;
    if (authority.follows === undefined) return false;
    const { type, id } = report.resource;
    const before = { kind: 'activity', result: 'success', account: report.account, types: [type], id, sources: config.sources, ...spanOf(report) } as const;
    if (!(await deps.precedent({ ...before, actions: [authority.follows] }))) return false;
    return isDecided(report, authorityOf(authority.follows) as Authority);
  };

  const judge = async (report: Report): Promise<void> => {
    if (!(await isAccountedFor(report))) {
      const draft = unauthorised(report, config.window_ms / 60_000);
      await deps.record(draft, `${UNAUTHORISED}/${report.key}`);
      deps.warn(`${report.source} reports ${report.action} of ${report.resource.type} ${report.resource.id}, which no decision allowed (${draft.id}).`);
    }
    await deps.reports.remove([report.key]);
  };

  const look = async (): Promise<void> => {
    const until = Math.min(now(), deps.completeUntil()) - config.grace_ms;
    const due = deps.reports.list().filter(({ recorded }) => Date.parse(recorded) <= until);
    for (const report of due.slice(0, AT_ONCE)) {
      if (isStopping) return;
      await judge(report);
    }
  };

  const looking = repeated(LOOK_MS, look, ({ message }) => `Changes that the platform reports wait to be compared with the decisions: ${message}`);
  return {
    name: 'bypass detection',
    start: async () => looking.start(),
    stop: async () => {
      isStopping = true;
      await looking.stop();
      await deps.reports.close();
    },
    trouble: looking.trouble,
  };
};
