/** The bytes `first`..`last` of a whole of `size`, both included. */
export type ByteRange = { readonly first: number; readonly last: number };

/**
 * What a `Range` header asks of a file (RFC 9110, section 14.1.2): one range; `whole` where the header is absent, of another
 * unit, malformed, or asks for several, which a server may ignore; `unsatisfiable` where nothing of the file is in it.
 */
export const rangeOf = (header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' => {
  const found = header === undefined ? null : /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header.trim());
  if (!found || (found[1] === '' && found[2] === '')) return 'whole';
  const [, from = '', to = ''] = found;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return 'whole';
  return first >= size ? 'unsatisfiable' : { first, last };
};
