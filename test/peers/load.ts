import { clientOf, type RunningVerdict, until } from './verdict.js';

type Decision = { readonly context: { readonly id: string } };
type Line = { readonly id: string; readonly account: string; readonly log: string; readonly seq: number; readonly recorded: string };

/** Callers that go on asking; what was answered is what must be found. */
export type Load = {
  readonly answered: ReadonlySet<string>;
  /** Milliseconds that each answer took, in the order of the answers. */
  readonly latencies: readonly number[];
  /** Answers other than 200, by status. */
  readonly refused: ReadonlyMap<number, number>;
  readonly stop: () => Promise<void>;
};

const question = (index: number) => ({
  subject: { type: 'user', id: `usr-${index % 50}` },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: `inst-${index % 500}`, properties: { account: `acc-${index % 5}` } },
});

/** A breath between two questions of a caller, in milliseconds: what a minute of load leaves behind can still be counted one by one. */
const BREATH_MS = 4;

/** Starts `callers` of them against a node. */
export const startLoad = (node: RunningVerdict, callers = 8): Load => {
  const answered = new Set<string>();
  const latencies: number[] = [];
  const refused = new Map<number, number>();
  let isRunning = true;
  let asked = 0;
  const call = async (): Promise<void> => {
    const client = clientOf(node);
    while (isRunning) {
      asked += 1;
      const begun = performance.now();
      try {
        const answer = await client.call('POST', '/access/v1/evaluation', question(asked));
        latencies.push(performance.now() - begun);
        if (answer.status === 200) answered.add((JSON.parse(answer.body) as Decision).context.id);
        else refused.set(answer.status, (refused.get(answer.status) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, BREATH_MS));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    client.close();
  };
  const running = Array.from({ length: callers }, call);
  return {
    answered,
    latencies,
    refused,
    stop: async () => {
      isRunning = false;
      await Promise.all(running);
    },
  };
};

/** Every decision in the store, oldest page last: what a whole export holds. */
export const exportedDecisions = async (node: RunningVerdict): Promise<readonly Line[]> => {
  const client = clientOf(node);
  try {
    const answer = await client.call('GET', '/v1/audit-logs/export?format=jsonl&kind=decision');
    if (answer.status !== 200) throw new Error(`The export was answered ${answer.status}: ${answer.body}`);
    return answer.body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  } finally {
    client.close();
  }
};

const isStored = async (node: RunningVerdict, id: string): Promise<boolean> => {
  const client = clientOf(node);
  try {
    return (await client.call('GET', `/v1/audit-logs/${id}`)).status === 200;
  } finally {
    client.close();
  }
};

/** Waits until everything answered is in the store; then how often each id stands there. */
export const found = (node: RunningVerdict, answered: ReadonlySet<string>, ms = 60_000): Promise<ReadonlyMap<string, number>> => {
  const last = [...answered].at(-1);
  return until(
    'every answered decision to be in the store',
    async () => {
      // A whole export is worth its time only when the end has arrived.
      if (last !== undefined && !(await isStored(node, last).catch(() => false))) return undefined;
      const counts = new Map<string, number>();
      for (const { id } of await exportedDecisions(node).catch(() => [])) counts.set(id, (counts.get(id) ?? 0) + 1);
      return [...answered].every((id) => counts.has(id)) ? counts : undefined;
    },
    ms,
  );
};

/** The gaps that the node tells of, once what is only on its way has arrived. */
export const noGaps = async (node: RunningVerdict): Promise<true> => {
  const client = clientOf(node);
  try {
    return await until(
      'no gaps',
      async () => {
        const { data } = await client.json<{ data: { gaps: readonly unknown[] } }>('GET', '/v1/audit-logs/gaps');
        return data.gaps.length === 0 ? true : undefined;
      },
      90_000,
    );
  } finally {
    client.close();
  }
};

export const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
