/** The secrets in a text: what kind, and on which line. */
export const findSecrets: (text: string) => readonly { readonly kind: string; readonly line: number }[];
