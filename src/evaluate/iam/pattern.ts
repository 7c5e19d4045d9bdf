/**
 * Whether a text is one that a pattern means; `*` in it is any run of characters, also none. Takes time in proportion to
 * the text, whatever the pattern.
 */
export const patternOf = (pattern: string): ((text: string) => boolean) => {
  const pieces = pattern.split('*');
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return (text) => text === pattern;
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    const end = text.length - last.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
};
