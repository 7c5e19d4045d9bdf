/** The version of Traefik that tests run against. */
export const TRAEFIK_VERSION: string;

/** Where Traefik is, or a sentence that says how to have it built. */
export const traefikPeer: () => { readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string };
