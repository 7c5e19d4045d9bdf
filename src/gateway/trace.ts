import { newSalt } from '../event/index.js';

/** W3C Trace Context, section 3.2.2: version 00. Ids of zeros alone are none. */
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/** A trace as it goes on to the upstream: the trace's id (32 hex digits) and the header's text. */
export type Trace = { readonly id: string; readonly parent: string; readonly isContinued: boolean };

const isUsable = ([, version, trace, span, , rest]: RegExpExecArray): boolean =>
  version !== 'ff' && !ZEROS.test(trace as string) && !ZEROS.test(span as string) && (version !== '00' || rest === undefined);

/**
 * The trace that a request belongs to, with the gateway's own span as the upstream's parent (W3C Trace Context, section
 * 3.2 and 4.3). A header that isn't one, or is there several times, begins a new trace; its `tracestate` doesn't count then.
 */
export const traceOf = (header: string | readonly string[] | undefined, random: () => string = newSalt): Trace => {
  const found = typeof header === 'string' ? PARENT.exec(header) : null;
  const isContinued = found !== null && isUsable(found);
  // 128 random bits from the pool that salts come from: asked for singly, they cost more than the rest of a request's headers.
  const span = random().slice(0, 16);
  const id = isContinued ? (found[2] as string) : random();
  return { id, parent: `00-${id}-${span}-${isContinued ? (found[4] as string) : '01'}`, isContinued };
};
