import type { ForwarderRow } from '../store/index.js';
import type { FeedState, FeedStatus } from './state.js';

/** A node that has said nothing for so long takes no part any more: its counts stand, its state doesn't. */
const SILENT_MS = 60_000;

/** What counts first where nodes differ. */
const WORST: readonly FeedState[] = ['stopped', 'waiting', 'catching_up', 'running', 'paused'];

const later = <T>(values: readonly (T | undefined)[], time: (value: T) => string): T | undefined =>
  values.reduce<T | undefined>((latest, one) => (one !== undefined && (latest === undefined || time(one) > time(latest)) ? one : latest), undefined);

/** How a forwarder does in a fleet, of what each node says: counts and lags are added, the worst state is told. */
export const mergeStatuses = (statuses: readonly { readonly status: FeedStatus; readonly isSilent: boolean }[]): FeedStatus | undefined => {
  const all = statuses.map(({ status }) => status);
  const speaking = statuses.filter(({ isSilent }) => !isSilent).map(({ status }) => status);
  const newest = later(all, ({ at }) => at);
  if (!newest) return undefined;
  const asked = (speaking.length > 0 ? speaking : [newest]).filter(({ era }) => era === newest.era);
  const worst = [...asked].sort((left, right) => WORST.indexOf(left.state) - WORST.indexOf(right.state))[0] ?? newest;
  const sum = (of: (status: FeedStatus) => number, among = all): number => among.reduce((total, one) => total + of(one), 0);
  const { last_success: _success, last_error: _error, ...rest } = worst;
  const success = later(
    all.map(({ last_success }) => last_success),
    (time) => time,
  );
  const error = later(
    all.map(({ last_error }) => last_error),
    ({ at }) => at,
  );
  return {
    ...rest,
    sent: sum(({ sent }) => sent),
    refused: sum(({ refused }) => refused),
    withheld: sum(({ withheld }) => withheld),
    lag: { events: sum(({ lag }) => lag.events, asked), seconds: Math.max(...asked.map(({ lag }) => lag.seconds)) },
    ...(success !== undefined && { last_success: success }),
    ...(error && { last_error: error }),
    replays: all.flatMap(({ replays }) => replays),
    at: newest.at,
  };
};

export type FleetStatusDeps = {
  /** What this node itself knows. */
  readonly local: (id: string) => FeedStatus | undefined;
  /** What every node last told, by the store; absent where there is one node. */
  readonly told?: () => Promise<readonly ForwarderRow[]>;
  readonly node: string;
  readonly now?: () => number;
};

/** How forwarders do, by id. While the store is away, it is what this node knows. */
export const fleetStatus =
  ({ local, told, node, now = Date.now }: FleetStatusDeps) =>
  async (): Promise<(id: string) => FeedStatus | undefined> => {
    if (!told) return local;
    const rows = await told().catch(() => []);
    return (id) => {
      const own = local(id);
      const others = rows
        .filter((row) => row.forwarder === id && row.node !== node)
        .map(({ status, at }) => ({ status: JSON.parse(status) as FeedStatus, isSilent: now() - at > SILENT_MS }));
      return mergeStatuses([...(own ? [{ status: own, isSilent: false }] : []), ...others]);
    };
  };
