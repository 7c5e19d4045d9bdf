/** Where nginx is, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const nginxPeer: () => { readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string };
