/** The version of Caddy that tests run against. */
export const CADDY_VERSION: string;

/** Where Caddy is, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const caddyPeer: () => Promise<{ readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string }>;
