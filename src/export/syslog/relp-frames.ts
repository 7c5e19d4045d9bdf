/** A frame of RELP (librelp's specification, version 0.0.1): `TXNR COMMAND LENGTH [DATA]`, and a line feed. */
export type RelpFrame = { readonly txnr: number; readonly command: string; readonly data: Buffer };

/** Transactions are numbered from 1 to this, and then from 1 again. 0 is for hints of the server. */
export const LAST_TXNR = 999_999_999;

const SPACE = 32;
const LF = 10;
/** The longest head that a frame can have: 9 digits, a command of 32 characters, 9 digits, spaces. */
const LONGEST_HEAD = 64;
/** What servers answer is short. */
const LONGEST_DATA = 131_072;
const HEAD = /^(\d{1,9}) ([A-Za-z]{1,32}) (\d{1,9})$/;

/** The frame that carries `data`. */
export const relpFrame = (txnr: number, command: string, data: string | Buffer): Buffer => {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const head = `${txnr} ${command} ${bytes.length}`;
  return bytes.length === 0 ? Buffer.from(`${head}\n`) : Buffer.concat([Buffer.from(`${head} `), bytes, Buffer.from('\n')]);
};

/** Not RELP. The message says what came instead. */
export class NotRelp extends Error {
  override readonly name = 'NotRelp';
}

const printed = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1', 0, LONGEST_HEAD));

/** Where the head of the frame at `start` ends: at its third space, or its line feed. -1 where it isn't all there. */
const headEnd = (bytes: Buffer, start: number): number => {
  let spaces = 0;
  for (let at = start; at < bytes.length; at += 1) {
    if (bytes[at] === LF || (bytes[at] === SPACE && ++spaces === 3)) return at;
    if (at - start > LONGEST_HEAD) throw new NotRelp(`what came is no RELP: ${printed(bytes.subarray(start))}`);
  }
  return -1;
};

/** Takes bytes as they come in, and gives the frames that are whole. Throws {@link NotRelp}. */
export const newRelpReader = (): ((bytes: Buffer) => readonly RelpFrame[]) => {
  let rest: Buffer = Buffer.alloc(0);

  return (bytes) => {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    const frames: RelpFrame[] = [];
    let start = 0;
    for (;;) {
      const end = headEnd(all, start);
      if (end < 0) break;
      const head = HEAD.exec(all.toString('latin1', start, end));
      const length = Number(head?.[3]);
      if (!head || length > LONGEST_DATA) throw new NotRelp(`what came is no RELP: ${printed(all.subarray(start))}`);
      // With data there is a space before it and a line feed behind; without, only the line feed (or a space before it).
      const dataAt = all[end] === SPACE ? end + 1 : end;
      const behind = dataAt + length;
      if (behind >= all.length) break;
      if (all[behind] !== LF) throw new NotRelp(`a frame does not end where it says: ${printed(all.subarray(start))}`);
      frames.push({ txnr: Number(head[1]), command: head[2] as string, data: all.subarray(dataAt, behind) });
      start = behind + 1;
    }
    rest = start === 0 ? all : Buffer.from(all.subarray(start));
    return frames;
  };
};

/** What a server answers: `200 OK` and whatever it adds on further lines. */
export const relpStatus = (data: Buffer): { readonly code: number; readonly text: string } => {
  const text = data.toString('utf8');
  return { code: Number(/^\d{3}/.exec(text)?.[0] ?? 0), text };
};
