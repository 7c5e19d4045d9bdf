/** Work that is done again and again, with a pause after each time. */
export type Repeated = {
  readonly start: () => void;
  /** Resolves when the work in hand is done; it isn't begun again. */
  readonly stop: () => Promise<void>;
  /** Why it failed the last time; undefined where it didn't. */
  readonly trouble: () => string | undefined;
};

/** `failed` makes a sentence of what the work rejected with. */
export const repeated = (pauseMs: number, work: () => Promise<void>, failed: (error: Error) => string): Repeated => {
  let isStopping = false;
  let complaint: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const once = async (): Promise<void> => {
    try {
      await work();
      complaint = undefined;
    } catch (error) {
      complaint = failed(error as Error);
    }
    if (!isStopping) later();
  };
  const later = (): void => {
    timer = setTimeout(() => {
      running = once();
    }, pauseMs);
  };

  return {
    start: later,
    stop: async () => {
      isStopping = true;
      clearTimeout(timer);
      await running;
    },
    trouble: () => complaint,
  };
};
