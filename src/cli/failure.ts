/** What the exit code of every command means; docs/cli.md lists them for people. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  notFound: 5,
  /** Something was checked and is not as it should be: a broken export, a gap, a configuration that can't be used. */
  check: 6,
} as const;

/** The end of a command: `message` is one sentence for stderr, `exit` the process's exit code. */
export class Failure extends Error {
  override readonly name = 'Failure';
  constructor(
    readonly exit: (typeof EXIT)[keyof typeof EXIT],
    message: string,
  ) {
    super(message);
  }
}

export const usage = (message: string): Failure => new Failure(EXIT.usage, message);
