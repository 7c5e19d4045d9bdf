import { type Caller, reaches } from '../caller/index.js';
import { type EventDraft, newEventId, pathWithoutSecrets, SYSTEM_ACCOUNT, textWithoutSecrets } from '../event/index.js';
import type { EndUser } from '../routes/index.js';
import type { Proxied } from './types.js';

/** What the route table alone decided, before or instead of the policy. */
export type Told = {
  readonly allow: boolean;
  readonly code: string;
  readonly message: string;
  /** The route's name, where one was found. */
  readonly route?: string;
  readonly user?: EndUser;
};

const MOST_PATH = 4_096;
const MOST_ID = 256;
const MOST_METHOD = 32;
/** What no text of an event may hold. */
const UNPRINTABLE = /[\p{Cc}\p{Surrogate}]/gu;
const ACCOUNT = /^[^\p{Cc}\p{Surrogate}]{1,128}$/u;

const plain = (text: string, most: number): string => textWithoutSecrets(text.slice(0, most).replaceAll(UNPRINTABLE, '\ufffd')).slice(0, most);

const actorOf = (user: EndUser | undefined, address: string): EventDraft['actor'] => ({
  ...(user ? { type: user.subject.type, id: textWithoutSecrets(user.subject.id) } : { type: 'anonymous', id: 'anonymous' }),
  ...(user?.email !== undefined && { email: user.email }),
  ...(address !== '' && { ip: address }),
});

/** The end user's account, where the proxy's credential is for it; else Verdict's own. */
const accountFor = (user: EndUser | undefined, caller: Caller): string => {
  const account = user?.account;
  return account !== undefined && ACCOUNT.test(account) && reaches(caller, account) ? account : SYSTEM_ACCOUNT;
};

/**
 * The event of a request that no policy was asked about: `proxy.request`, a success where the route is public, else a
 * failure with its code. A question to the policy leaves its own event, the decision.
 */
export const toldDraft = (proxied: Proxied, told: Told, by: { readonly caller: Caller; readonly region: string; readonly now: number }): EventDraft => {
  const { user, allow, code, message, route } = told;
  const method = plain(proxied.method, MOST_METHOD);
  const path = pathWithoutSecrets(plain(proxied.target, MOST_PATH)).slice(0, MOST_PATH);
  return {
    id: newEventId(),
    timestamp: new Date(by.now).toISOString(),
    account: accountFor(user, by.caller),
    kind: 'activity',
    actor: actorOf(user, proxied.address),
    action: 'proxy.request',
    resource: { type: 'route', id: plain(route ?? `${method} ${path.split('?', 1)[0]}`, MOST_ID) || 'unknown' },
    result: allow ? 'success' : 'failure',
    details: { code, message, caller: by.caller.id },
    request: { id: proxied.requestId, method, path },
    ...(by.region !== '' && { region: by.region }),
    source: 'pdp',
  };
};
