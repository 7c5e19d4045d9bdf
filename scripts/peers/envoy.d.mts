/** The version of Envoy that tests run against. */
export const ENVOY_VERSION: string;

/** Where Envoy is, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const envoyPeer: () => Promise<{ readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string }>;
