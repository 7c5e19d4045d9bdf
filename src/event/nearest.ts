/** How many letters must be added, taken away or changed to make one word of the other. */
const distance = (left: string, right: string): number => {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const change = (previous[column - 1] as number) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[right.length] as number;
};

/** The word of the list that was probably meant; undefined where none is near. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  if (word.length > 64) return undefined;
  const inside = words.find((one) => one.startsWith(`${word}_`) || one.endsWith(`_${word}`));
  const [best] = words.map((one) => ({ one, far: distance(word.toLowerCase(), one) })).sort((left, right) => left.far - right.far);
  return best && best.far <= Math.max(1, best.one.length / 3) ? best.one : inside;
};
