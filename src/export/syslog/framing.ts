/** How messages are told apart on a stream: by their length in front (RFC 6587, section 3.4.1; RFC 5425, section 4.3), or by a line feed behind (RFC 6587, section 3.4.2). */
export const FRAMINGS = ['octet-counting', 'newline'] as const;
export type Framing = (typeof FRAMINGS)[number];

/** One message on a stream. It has no line feed of its own ({@link newLineMaker}), so either way it is whole. */
export const framed = (line: string, framing: Framing): string => (framing === 'newline' ? `${line}\n` : `${Buffer.byteLength(line)} ${line}`);
