/** What a credential may do. Names are stable. */
export const PERMISSIONS = [
  'decision.evaluate',
  'decision.assert',
  'event.record',
  'event.backfill',
  'entity.read',
  'entity.write',
  'audit.read',
  'audit.export',
  'alert.manage',
  'forwarder.manage',
  'policy.manage',
  'key.manage',
  'operate',
] as const;
export type Permission = (typeof PERMISSIONS)[number];
export const isPermission = (name: string): name is Permission => (PERMISSIONS as readonly string[]).includes(name);

/** Who calls Verdict, as its credential proves it. */
export type Caller = {
  /** `admin`, `key:<id>` or `jwt:<issuer>#<sub>`. */
  readonly id: string;
  /** What the events it writes carry as `source`. */
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly permissions: ReadonlySet<Permission>;
  /** When the credential ends: milliseconds since the epoch, or undefined. */
  readonly expires?: number;
};

export type Authentication =
  | { readonly ok: true; readonly caller: Caller }
  /** `code` is stable (`credential.missing`, `credential.invalid`, `credential.expired`, `credential.revoked`); `message` is a sentence without any part of the credential. */
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Answers who presents an `Authorization` header. Cached answers come back synchronously: the decision path awaits only when it must. */
export type Authenticate = (authorization: string | undefined, now: number) => Authentication | Promise<Authentication>;

export const holds = (caller: Caller, permission: Permission): boolean => caller.permissions.has(permission);
export const reaches = (caller: Caller, account: string): boolean => caller.accounts === 'all' || caller.accounts.includes(account);

/** Why a caller may not do something. */
export type Refusal = { readonly code: 'caller.permission' | 'caller.account'; readonly message: string };

/** What keeps a caller from what takes a permission, on an account (undefined: on none in particular); undefined where nothing does. */
export type Guard = (caller: Caller, permission: Permission, account?: string) => Refusal | undefined;
