import type { Admin } from 'kafkajs';

/** Offsets of a partition that this group will never read. Reported once, where they are noticed. */
export type StreamGap = {
  readonly topic: string;
  readonly partition: number;
  /** The first offset that is missing, and the offset at which reading goes on. */
  readonly from: number;
  readonly to: number;
  /**
   * `retention`: the topic's retention removed them before they were read. `truncated`: the partition ends before the
   * group's offset (made anew, or an unclean leader); all it holds is read. `moved`: somebody moved the group's offset
   * ahead. `hole`: the brokers keep nothing there (compacted or deleted).
   */
  readonly reason: 'retention' | 'truncated' | 'moved' | 'hole';
};

/** What is known of one partition when a consumer is given it. Offsets are those of the next message. */
export type Known = {
  /** The group's offset; −1 where there is none. */
  readonly committed: number;
  /** True if one of our own consumers committed it. */
  readonly isOurs: boolean;
  /** When the last message before the group's offset was sent, as our consumer noted it: milliseconds since 1970. */
  readonly time?: number;
  /** Where this node itself had got to, if it ever read the partition. */
  readonly own: number | undefined;
  /** The first offset that the brokers hold, and the one after the last. */
  readonly low: number;
  readonly high: number;
};

export type Start = { readonly offset: number; readonly gap?: Omit<StreamGap, 'topic' | 'partition'> };

/**
 * Where reading starts, and what is missing before that. The group's offset decides; where it is lost, everything that
 * the brokers hold is read again (what comes twice collapses, what is skipped is lost). kafkajs alone would go on in
 * silence from the first offset that there is.
 */
export const startOf = ({ committed, isOurs, own, low, high }: Known): Start => {
  if (committed < 0) return own !== undefined && own < low ? { offset: low, gap: { from: own, to: low, reason: 'retention' } } : { offset: low };
  if (committed < low) return { offset: low, gap: { from: committed, to: low, reason: 'retention' } };
  if (committed > high) return { offset: low, gap: { from: committed, to: low, reason: 'truncated' } };
  if (!isOurs && own !== undefined && own < committed) return { offset: committed, gap: { from: own, to: committed, reason: 'moved' } };
  return { offset: committed };
};

/** Marks the offsets that our consumers commit, to tell them from those that a tool has set; with the time of the last message before it. */
const COMMIT_MARK = 'verdict';
export const commitMark = (time: number | undefined): string => (time === undefined ? COMMIT_MARK : `${COMMIT_MARK} ${time}`);
const MARKED = new RegExp(`^${COMMIT_MARK}(?: (\\d{1,15}))?$`);

/** Asks the brokers about partitions just assigned. Rejects where they can't say. */
export const knownOf = async (
  admin: Admin,
  topic: string,
  groupId: string,
  assigned: readonly number[],
  own: (partition: number) => number | undefined,
): Promise<ReadonlyMap<number, Known>> => {
  const [offsets, marks] = await Promise.all([admin.fetchOffsets({ groupId, topics: [topic] }), admin.fetchTopicOffsets(topic)]);
  const committed = offsets.find((one) => one.topic === topic)?.partitions ?? [];
  return new Map(
    assigned.map((partition) => {
      const mark = marks.find((one) => one.partition === partition);
      if (!mark) throw new Error(`The brokers don't know partition ${partition} of ${topic} yet.`);
      const at = committed.find((one) => one.partition === partition);
      const marked = MARKED.exec(at?.metadata ?? '');
      const known = {
        committed: Number(at?.offset ?? -1),
        isOurs: marked !== null,
        ...(marked?.[1] !== undefined && { time: Number(marked[1]) }),
        own: own(partition),
        low: Number(mark.low),
        high: Number(mark.high),
      };
      return [partition, known];
    }),
  );
};
