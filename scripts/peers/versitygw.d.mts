/** The version of the Versity S3 Gateway that tests run against. */
export const VERSITYGW_VERSION: string;

/** Where the server is, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const versitygwPeer: () => Promise<{ readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string }>;
