import type { Event } from '../../event/index.js';
import { type Deed, deedOf, lastWord } from './words.js';

export type OcsfClass = 'authentication' | 'account_change' | 'entity_management' | 'api_activity';

/** Numbers and captions of the classes and activities (OCSF 1.6.0). */
export const CLASSES = {
  authentication: { uid: 3002, caption: 'Authentication', category: 3 },
  account_change: { uid: 3001, caption: 'Account Change', category: 3 },
  entity_management: { uid: 3004, caption: 'Entity Management', category: 3 },
  api_activity: { uid: 6003, caption: 'API Activity', category: 6 },
} as const;

export const CATEGORIES = { 3: 'Identity & Access Management', 6: 'Application Activity' } as const;

export type Activity = { readonly id: number; readonly name: string };
export type Classified = { readonly class: OcsfClass; readonly activity: Activity };

const OTHER = 99;

type Table = { readonly [word: string]: Activity };
const tableOf = (...rows: readonly (readonly [id: number, name: string, ...words: string[]])[]): Table =>
  Object.assign(Object.create(null), Object.fromEntries(rows.flatMap(([id, name, ...words]) => words.map((word) => [word, { id, name }]))));

const AUTHENTICATION = tableOf([1, 'Logon', 'login', 'logon', 'signin', 'authenticate'], [2, 'Logoff', 'logout', 'logoff', 'signout']);
const ACCOUNT_CHANGE = tableOf(
  [1, 'Create', 'create', 'add', 'register', 'provision'],
  [2, 'Enable', 'enable', 'activate', 'reactivate'],
  [3, 'Password Change', 'passwordchange', 'changepassword'],
  [4, 'Password Reset', 'passwordreset', 'resetpassword'],
  [5, 'Disable', 'disable', 'deactivate', 'suspend'],
  [6, 'Delete', 'delete', 'remove'],
  [7, 'Attach Policy', 'attachpolicy', 'policyattach'],
  [8, 'Detach Policy', 'detachpolicy', 'policydetach'],
  [9, 'Lock', 'lock'],
  [10, 'MFA Factor Enable', 'mfaenable', 'enablemfa'],
  [11, 'MFA Factor Disable', 'mfadisable', 'disablemfa'],
  [12, 'Unlock', 'unlock'],
);
const ENTITY = tableOf(
  [5, 'Move', 'move'],
  [8, 'Enable', 'enable'],
  [9, 'Disable', 'disable'],
  [10, 'Activate', 'activate'],
  [11, 'Deactivate', 'deactivate'],
  [12, 'Suspend', 'suspend'],
  [13, 'Resume', 'resume'],
);
const CRUD: { readonly [deed in Exclude<Deed, 'other'>]: Activity } = {
  create: { id: 1, name: 'Create' },
  read: { id: 2, name: 'Read' },
  update: { id: 3, name: 'Update' },
  delete: { id: 4, name: 'Delete' },
};

const USERS = new Set(['user', 'service_account']);
/** What identity management is about, beside users. */
const ENTITIES = new Set(['group', 'role', 'policy', 'membership', 'token', 'key', 'api_key', 'account', 'organization']);

/** `user.password_reset`, `user.password.reset` → `passwordreset`: its last word, and its last two, without what joins them. */
const phrases = (action: string): readonly string[] => {
  const words = action.toLowerCase().split(/[.:/]/);
  const joined = (count: number): string => words.slice(-count).join('').replaceAll(/[_-]/g, '');
  return [joined(2), joined(1)];
};

const lookUp = (table: Table, action: string): Activity | undefined =>
  phrases(action)
    .map((phrase) => table[phrase])
    .find((found) => found !== undefined);

const crud = (action: string): Activity => {
  const deed = deedOf(action);
  return deed === 'other' ? { id: OTHER, name: lastWord(action) || action } : CRUD[deed];
};

/**
 * The class of an event. A decision is an API activity whatever it was about: nobody logged in, and nothing changed,
 * because it was allowed. An activity is what its action's last words and its resource's type say.
 */
export const classify = ({ kind, action, resource }: Event): Classified => {
  if (kind === 'activity') {
    const login = lookUp(AUTHENTICATION, action);
    if (login) return { class: 'authentication', activity: login };
    const change = USERS.has(resource.type) ? lookUp(ACCOUNT_CHANGE, action) : undefined;
    if (change) return { class: 'account_change', activity: change };
    if (USERS.has(resource.type) || ENTITIES.has(resource.type) || action.startsWith('entity.'))
      return { class: 'entity_management', activity: lookUp(ENTITY, action) ?? crud(action) };
  }
  return { class: 'api_activity', activity: crud(action) };
};
