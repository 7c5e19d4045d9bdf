const NEWLINE = 0x0a;

/** The lines of a buffer of JSON lines, each with its newline; they share the buffer's memory. */
export const splitLines = (lines: Buffer): readonly Buffer[] => {
  const found: Buffer[] = [];
  let start = 0;
  while (start < lines.length) {
    const end = lines.indexOf(NEWLINE, start);
    const stop = end < 0 ? lines.length : end + 1;
    found.push(lines.subarray(start, stop));
    start = stop;
  }
  return found;
};

/** True for the line of a decision, told without parsing: in event/line.ts `kind` stands before anything a caller can fill at will. */
export const isDecisionLine = (line: Buffer): boolean => {
  const at = line.indexOf('"kind":"');
  return at >= 0 && line.toString('latin1', at + 8, at + 16) === 'decision';
};
