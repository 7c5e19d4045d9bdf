/** What the launcher tells the embedded store's process. The password goes this way only: never by arguments or environment. */
export type ToStore =
  | {
      readonly kind: 'open';
      readonly folder: string;
      readonly port: number;
      readonly username: string;
      readonly password: string;
      readonly patience_ms: number;
    }
  | { readonly kind: 'stop' };

/** What the process answers: once `ready` or `failed`. `busy`: another process holds the folder. */
export type FromStore =
  | { readonly kind: 'ready'; readonly port: number; readonly version: string }
  | { readonly kind: 'failed'; readonly why: 'busy' | 'port' | 'other'; readonly message: string };
