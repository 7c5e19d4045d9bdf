/** One event as `virsh event --timestamp` prints it. */
export type DomainEvent = {
  /** When virsh got it: milliseconds since the epoch. */
  readonly time: number;
  readonly domain: string;
  /** libvirt's name of the event: `lifecycle`, `reboot`, `device-added`, … */
  readonly event: string;
  /** What happened, in virsh's words: of a lifecycle event `Started`; of others whatever stands there. */
  readonly what: string;
  /** Why, in virsh's words: `Booted`; empty for other events than lifecycle's. */
  readonly why: string;
};

/** `2026-11-22 05:26:22.279+0000: event 'lifecycle' for domain 'inst-1': Started Booted` */
const LINE = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}\.\d{3})([+-]\d{2})(\d{2}): event '([a-z0-9-]{1,64})' for domain '(.*)$/;
const LIFECYCLE = /^(.+)': ([A-Z][A-Za-z]*)(?: ([^']*))?$/;
const OTHER = /^(.+)'(?:: ([^']*))?$/;

/** The longest line that is looked at; libvirt's names have at most a few hundred bytes. */
const MAX_LINE = 4096;

/**
 * Reads one line of virsh's output (libvirt 9, `tools/virsh-domain-event.c`). Undefined for what is no event: the
 * indented lines that follow some events, the count at the end, and anything that isn't understood. What happened is taken
 * from the line's end, and has no quote in it, so that no domain can be named like an event of another one.
 */
export const readEvent = (line: string): DomainEvent | undefined => {
  if (line.length > MAX_LINE) return undefined;
  const found = LINE.exec(line);
  if (!found) return undefined;
  const [, date, clock, hours, minutes, event, rest] = found as unknown as readonly [string, string, string, string, string, string, string];
  const time = Date.parse(`${date}T${clock}${hours}:${minutes}`);
  if (Number.isNaN(time)) return undefined;
  const named = event === 'lifecycle' ? LIFECYCLE.exec(rest) : OTHER.exec(rest);
  return named ? { time, domain: named[1] as string, event, what: (named[2] ?? '').trim(), why: (named[3] ?? '').trim() } : undefined;
};

/** Cuts a stream of bytes into lines; one that is longer than any event is thrown away up to its end. */
export const linesFrom = (take: (line: string) => void): ((part: string) => void) => {
  let rest = '';
  return (part) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() as string;
    if (rest.length > MAX_LINE) rest = rest.slice(0, MAX_LINE + 1);
    for (const line of lines) take(line);
  };
};
