/** A platform with a directory as large as a real one's, and questions about it: all made from numbers, the same every time. */
const USERS = 10_000;
const ACCOUNTS = 200;
const ACL_ENTRIES = 100;
const DOCUMENTS = 10;
const INSTANCES = 20;
const GROUPS = 10;
const QUESTIONS = 400;

const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHK8tO8FoNmrHkrsyu/nfqa3fBlKdTlraPQnKpDp08r5 bench@example.com';
const MODULES = ['servers', 'drives', 'snapshots', 'networks', 'firewalls', 'images', 'billing', 'backups'];
const SERVICES = ['instance', 'drive', 'snapshot', 'network', 'firewall', 'image', 'backup', 'bucket', 'vpn', 'load_balancer'];
const ROLES = ['developer', 'viewer', 'admin', undefined];

const numbers = (count) => Array.from({ length: count }, (_, index) => index);
const accountOf = (user) => `acc-${user % ACCOUNTS}`;
const instanceOf = (account, index) => `inst-${account}-${index}`;

const account = (number) => ({
  type: 'account',
  id: `acc-${number}`,
  account: `acc-${number}`,
  properties: {
    name: `Customer ${number}`,
    tier: 'enterprise',
    access_models: ['roles', 'acl', 'iam'],
    require_2fa: { since: '2026-01-01T00:00:00Z' },
    regions: ['lagos-1', 'london-1'],
    ip_allowlist: ['127.0.0.0/8', '10.0.0.0/8', '2001:db8::/32'],
  },
});

const target = (owner, index) => {
  if (index % 3 === 0) return { module: MODULES[index % MODULES.length] };
  if (index % 3 === 1) return { resource: `instance/${instanceOf(owner, index % INSTANCES)}` };
  return { tag: `team-${index % GROUPS}` };
};

const aclEntry = (owner) => (index) => ({
  type: 'acl',
  id: `acc-${owner}:entry-${index}`,
  account: `acc-${owner}`,
  properties: {
    grantee: index % 2 === 0 ? `user/usr-${owner + ACCOUNTS * (index % 50)}` : `group/grp-${index % GROUPS}`,
    target: target(owner, index),
    access: index % 4 === 0 ? 'read-write' : 'read-only',
    ...(index % 8 === 0 && { verbs: ['start', 'stop', 'reboot'] }),
  },
});

const statement = (index) => (part) => ({
  sid: `Part${part}`,
  effect: index === 9 && part === 2 ? 'deny' : 'allow',
  actions: [`${SERVICES[(index + part) % SERVICES.length]}.*`],
  resources: part === 1 ? ['*'] : [`${SERVICES[index]}/*`],
  ...(part === 2 && { conditions: { ip: ['10.0.0.0/8'], regions: ['lagos-1'] } }),
});

const document = (owner) => (index) => ({
  type: 'iam_policy',
  id: `acc-${owner}:doc-${index}`,
  account: `acc-${owner}`,
  properties: { document: { version: '2026-11-01', statements: numbers(3).map(statement(index)) } },
});

const instance = (owner) => (index) => ({
  type: 'instance',
  id: instanceOf(owner, index),
  account: `acc-${owner}`,
  properties: { name: `web-${index}`, region: 'lagos-1', tags: [`team-${index % GROUPS}`, 'production'] },
});

const membership = (user) => ({
  type: 'membership',
  id: `${accountOf(user)}:usr-${user}`,
  account: accountOf(user),
  properties: {
    ...(ROLES[user % 4] && { role: ROLES[user % 4] }),
    groups: [`grp-${user % GROUPS}`],
    policies: numbers(DOCUMENTS).map((index) => `doc-${index}`),
    joined: '2025-06-01T00:00:00Z',
  },
});

const person = (user) => ({ type: 'user', id: `usr-${user}`, properties: { email: `user${user}@example.com`, two_factor: { methods: ['totp'] } } });

const token = (user) => ({
  type: 'token',
  id: `tok-${user}`,
  account: accountOf(user),
  properties: { owner: `usr-${user}`, scope: 'write', created: new Date(Date.now() - 30 * 86_400_000).toISOString() },
});

/** Accounts, people, tokens, ACL entries, documents and servers; those that others name come first. */
export const entities = () => [
  ...numbers(ACCOUNTS).map(account),
  ...numbers(ACCOUNTS).flatMap((owner) => [
    ...numbers(DOCUMENTS).map(document(owner)),
    ...numbers(ACL_ENTRIES).map(aclEntry(owner)),
    ...numbers(INSTANCES).map(instance(owner)),
  ]),
  ...numbers(USERS).map(person),
  ...numbers(USERS).map(membership),
  ...numbers(QUESTIONS).map(token),
];

const RULES = [{ direction: 'inbound', protocol: 'tcp', port_range: '443', source: '0.0.0.0/0', action: 'allow' }];

/** One in eight creates something, half of those with what a guardrail looks at; the others look and operate. */
const asked = (index) => {
  const account = accountOf(index);
  const server = { type: 'instance', id: instanceOf(index % ACCOUNTS, index % INSTANCES) };
  const whole = { type: 'account', id: account };
  const kinds = [
    ['instance.get', server],
    ['instance.start', server],
    ['instance.list', whole],
    ['instance.stop', server],
    ['instance.create', { ...whole, properties: { region: 'lagos-1' } }],
    ['instance.reboot', server],
    ['firewall.create', { ...whole, properties: { rules: RULES } }],
    ['ssh_key.create', { ...whole, properties: { public_key: SSH_KEY } }],
  ];
  return kinds[index % kinds.length];
};

/** What a control plane asks for people who work with tokens. */
export const questions = () =>
  numbers(QUESTIONS).map((index) => {
    const [name, resource] = asked(index);
    return {
      subject: { type: 'user', id: `usr-${index}` },
      action: { name },
      resource,
      context: { token: `tok-${index}`, ip: '10.1.2.3', mfa: 'totp', account: accountOf(index) },
    };
  });
