/** The longest name and id that an event can carry as `source` and `actor.id`, in characters. */
const MAX_NAME = 128;
const MAX_ID = 256;
const PRINTABLE = /^[^\p{Cc}\p{Surrogate}]+$/u;

/** Sources of events that Verdict makes itself: no credential may write under them. */
export const OWN_SOURCES: ReadonlySet<string> = new Set(['pdp', 'gateway', 'verdict']);

/** Names that no credential is given: those, and the admin token's own. */
const RESERVED: ReadonlySet<string> = new Set([...OWN_SOURCES, 'admin']);

/** Whether events can carry this as the id of who wrote them. */
export const isCallerId = (id: string): boolean => id.length <= MAX_ID && PRINTABLE.test(id);

/** Whether an event can belong to an account of this name. */
export const isAccountName = (account: string): boolean => account.length <= MAX_NAME && PRINTABLE.test(account);

/** What is wrong with a credential's name, as the end of a sentence; undefined if nothing is. */
export const nameFault = (name: string): string | undefined => {
  if (name.length > MAX_NAME || !PRINTABLE.test(name)) return `must have 1 to ${MAX_NAME} characters and no control characters`;
  if (name.trim() !== name) return 'must not begin or end with white space';
  return RESERVED.has(name.toLowerCase()) ? `is "${name}", which is for Verdict's own events` : undefined;
};
