// Required by a process whose clock is to be ten minutes ahead.
const AHEAD_MS = 600_000;
const { now } = Date;
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length === 0 ? [now() + AHEAD_MS] : given));
  }
  static now() {
    return now() + AHEAD_MS;
  }
};
