// Makes fixtures/platform: three accounts and a day of their traffic. Deterministic: the same seed gives the same bytes.
//   entities.ndjson  one entity a line, as POST /v1/entities takes it
//   traffic.ndjson   one step a line: {at, ask, then?} or {at, record}; `at` counts seconds from the day's start.
//                    `ask` is an AuthZEN question; `then` is recorded if it is allowed; `record` is recorded as it is.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SEED = 20_261_122;
const STEPS = 2_000;
const DAY = 86_400;

/** A small generator of numbers from 0 to 1 (mulberry32): the same after the same seed. */
const numbersFrom = (seed) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const random = numbersFrom(SEED);
const among = (list) => list[Math.floor(random() * list.length)];
const between = (low, high) => low + Math.floor(random() * (high - low + 1));

/** One of `[weight, value]`, by weight. */
const weighted = (choices) => {
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices.at(-1)[1];
};

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const TERRAFORM = 'Terraform/1.9 terraform-provider-kvm/2.3';

/** The accounts, their people (role by the role table, whatever else their platform knows) and what they run. */
const ACCOUNTS = [
  {
    id: 'acc-lagos',
    properties: { name: 'Eko Ledger', tier: 'enterprise', region: 'lagos-1', mfa_required: true, ip_allowlist: ['102.89.0.0/16', '197.210.0.0/16'] },
    regions: ['lagos-1', 'london-1', 'frankfurt-1'],
    network: '102.89.23',
    people: [
      { id: 'usr-ada', name: 'Ada Okafor', email: 'ada@eko-ledger.example', role: 'owner', agent: BROWSER, weight: 2 },
      { id: 'usr-chidi', name: 'Chidi Eze', email: 'chidi@eko-ledger.example', role: 'admin', agent: BROWSER, weight: 4 },
      { id: 'usr-ngozi', name: 'Ngozi Bello', email: 'ngozi@eko-ledger.example', role: 'developer', agent: TERRAFORM, token: 'tok-lagos-ci', weight: 8 },
      { id: 'usr-tunde', name: 'Tunde Adeyemi', email: 'tunde@eko-ledger.example', role: 'developer', agent: 'kvmctl/4.2', weight: 7 },
      { id: 'usr-amaka', name: 'Amaka Obi', email: 'amaka@eko-ledger.example', role: 'viewer', agent: BROWSER, weight: 5 },
    ],
    tokens: [
      { id: 'tok-lagos-ci', user: 'usr-ngozi', scope: 'write' },
      { id: 'tok-lagos-grafana', user: 'usr-amaka', scope: 'read' },
      { id: 'tok-lagos-2025', user: 'usr-tunde', scope: 'admin', revoked: true },
    ],
    instances: ['web-1', 'web-2', 'web-3', 'api-1', 'api-2', 'db-1', 'db-2', 'cache-1', 'batch-1', 'staging-1'],
  },
  {
    id: 'acc-zurich',
    properties: { name: 'Limmat Render', tier: 'standard', retention_days: 365, region: 'zurich-1' },
    regions: ['zurich-1'],
    network: '185.12.64',
    people: [
      { id: 'usr-livia', name: 'Livia Meier', email: 'livia@limmat.example', role: 'owner', agent: BROWSER, weight: 2, grants: [{ everything: 'read-write' }] },
      {
        id: 'usr-reto',
        name: 'Reto Frei',
        email: 'reto@limmat.example',
        role: 'developer',
        agent: 'kvmctl/4.2',
        weight: 5,
        grants: [{ everything: 'read-write' }, { module: 'billing', access: 'none' }],
      },
      {
        id: 'usr-nina',
        name: 'Nina Baumann',
        email: 'nina@limmat.example',
        role: 'viewer',
        agent: BROWSER,
        weight: 4,
        grants: [{ module: 'servers', access: 'start-stop' }],
      },
      {
        id: 'usr-urs',
        name: 'Urs Keller',
        email: 'urs@limmat.example',
        role: 'viewer',
        agent: BROWSER,
        weight: 3,
        grants: [{ module: 'billing', access: 'read-only' }],
      },
      {
        id: 'usr-sina',
        name: 'Sina Graf',
        email: 'sina@limmat.example',
        role: 'developer',
        agent: 'python-requests/2.32',
        weight: 6,
        grants: [{ tag: 'render-farm', access: 'read-write' }],
      },
    ],
    tokens: [{ id: 'tok-zurich-farm', user: 'usr-sina', scope: 'write' }],
    instances: ['render-1', 'render-2', 'render-3', 'render-4', 'render-5', 'render-6', 'queue-1', 'files-1', 'office-1'],
  },
  {
    id: 'acc-mumbai',
    properties: { name: 'Kavach Health', tier: 'enterprise', region: 'mumbai-1' },
    regions: ['mumbai-1'],
    network: '103.21.58',
    people: [
      { id: 'usr-kavach-root', name: 'Kavach Health (root)', email: 'root@kavach.example', role: 'owner', agent: BROWSER, weight: 1, policies: [] },
      { id: 'usr-priya', name: 'Priya Nair', email: 'priya@kavach.example', role: 'admin', agent: BROWSER, weight: 4, policies: ['CloudNxFullAccess'] },
      { id: 'usr-arjun', name: 'Arjun Rao', email: 'arjun@kavach.example', role: 'viewer', agent: BROWSER, weight: 4, policies: ['CloudNxReadOnlyAccess'] },
      {
        id: 'usr-kavach-backup',
        name: 'Backups',
        email: 'backup@kavach.example',
        role: 'developer',
        agent: 'kavach-backup/1.8',
        token: 'tok-mumbai-backup',
        weight: 8,
        policies: ['CloudNxStorageFullAccess'],
      },
    ],
    tokens: [{ id: 'tok-mumbai-backup', user: 'usr-kavach-backup', scope: 'write' }],
    instances: ['emr-1', 'emr-2', 'lab-1', 'gateway-1', 'archive-1'],
  },
];

/** Works for one account and looks into another: one person, two memberships. */
const GUESTS = [{ account: 'acc-mumbai', user: 'usr-chidi', role: 'viewer', policies: ['CloudNxReadOnlyAccess'] }];

const PLANS = ['kvm-1', 'kvm-2', 'kvm-4', 'kvm-8'];
const IMAGES = ['debian-13', 'ubuntu-24.04', 'alma-10'];
const TAGS = {
  web: ['public', 'web'],
  api: ['public'],
  db: ['database'],
  render: ['render-farm'],
  queue: ['render-farm'],
  emr: ['patient-data'],
  lab: ['patient-data'],
};

const fieldsOf = (object, names) => Object.fromEntries(names.filter((name) => name in object).map((name) => [name, object[name]]));

const entitiesOf = (account) => {
  const own = (type, id, properties) => ({ type, id, account: account.id, properties });
  const servers = account.instances.map((name) => {
    const stem = name.replace(/-\d+$/, '');
    return own('instance', `inst-${name}`, { name, plan: among(PLANS), image: among(IMAGES), region: among(account.regions), tags: TAGS[stem] ?? [stem] });
  });
  return [
    own('account', account.id, account.properties),
    ...account.people.map(({ id, name, email }) => ({ type: 'user', id, properties: { name, email, mfa: id !== 'usr-tunde' } })),
    ...account.people.map((person) => own('membership', `${account.id}:${person.id}`, fieldsOf(person, ['role', 'grants', 'policies']))),
    ...account.tokens.map(({ id, ...properties }) => own('token', id, properties)),
    ...servers,
    ...account.instances
      .slice(0, 6)
      .map((name) => own('volume', `vol-${name}`, { name: `${name}-data`, size_gb: among([50, 100, 250]), instance: `inst-${name}` })),
    ...account.people.slice(1, 4).map(({ id }) => own('ssh_key', `key-${id.slice(4)}`, { name: `${id.slice(4)}'s laptop`, type: 'ed25519', user: id })),
    own('firewall', `fw-${account.id.slice(4)}-web`, {
      name: 'web',
      rules: [{ direction: 'inbound', protocol: 'tcp', ports: '443', source: '0.0.0.0/0', action: 'allow' }],
    }),
    own('firewall', `fw-${account.id.slice(4)}-db`, {
      name: 'database',
      rules: [{ direction: 'inbound', protocol: 'tcp', ports: '5432', source: '10.0.0.0/8', action: 'allow' }],
    }),
  ];
};

const guestsOf = () => GUESTS.map(({ account, user, ...properties }) => ({ type: 'membership', id: `${account}:${user}`, account, properties }));

/** Seconds into the day: most traffic between 7 and 19 o'clock. */
const someTime = () => (random() < 0.82 ? between(7 * 3600, 19 * 3600) : between(0, DAY - 120));

const addressOf = (account, person) => `${account.network}.${10 + account.people.indexOf(person)}`;
const requestId = () =>
  `req-${Math.floor(random() * 0xffffffff)
    .toString(16)
    .padStart(8, '0')}`;
const actorOf = (account, person) => ({ type: 'user', id: person.id, email: person.email, ip: addressOf(account, person), user_agent: person.agent });

const ask = (account, person, action, resource, extra = {}) => ({
  subject: { type: 'user', id: person.id },
  action: { name: action },
  resource,
  context: { account: account.id, ip: addressOf(account, person), user_agent: person.agent, ...(person.token && { token: person.token }), ...extra },
});

const done = (account, person, action, resource, details, request) => ({
  account: account.id,
  actor: actorOf(account, person),
  action,
  resource,
  result: 'success',
  details,
  request: { id: requestId(), duration_ms: between(40, 2600), ...request },
  region: account.properties.region,
});

let made = 0;

/** What people do: `[weight, (account, person) => step without its time]`. */
const DEEDS = [
  [20, (account, person) => ({ ask: ask(account, person, 'instance.list', { type: 'account', id: account.id }) })],
  [22, (account, person) => ({ ask: ask(account, person, 'instance.get', { type: 'instance', id: `inst-${among(account.instances)}` }) })],
  [
    14,
    (account, person) => {
      const action = among(['instance.start', 'instance.stop', 'instance.reboot']);
      const name = among(account.instances);
      const resource = { type: 'instance', id: `inst-${name}` };
      const request = { method: 'POST', path: `/v1/instances/${resource.id}/${action.slice(9)}`, status: 202 };
      return { ask: ask(account, person, action, resource), then: done(account, person, action, { ...resource, name }, {}, request) };
    },
  ],
  [
    6,
    (account, person) => {
      made += 1;
      const [plan, image, region] = [among(PLANS), among(IMAGES), among(account.regions)];
      const resource = { type: 'instance', id: `inst-${account.id.slice(4)}-${made}` };
      const question = ask(account, person, 'instance.create', { ...resource, properties: { account: account.id, plan, image, region } });
      const request = { method: 'POST', path: '/v1/instances', status: 201 };
      return { ask: question, then: done(account, person, 'instance.create', { ...resource, name: `job-${made}` }, { plan, image, region }, request) };
    },
  ],
  [
    4,
    (account, person) => {
      const name = among(account.instances);
      const resource = { type: 'instance', id: `inst-${name}` };
      // Nobody carries these out: the sample's servers stay for whoever tries the commands.
      return { ask: ask(account, person, 'instance.delete', resource, { dry_run: true }) };
    },
  ],
  [
    3,
    (account, person) => {
      const name = among(account.instances);
      const plan = among(PLANS);
      const resource = { type: 'instance', id: `inst-${name}` };
      const request = { method: 'PATCH', path: `/v1/instances/${resource.id}`, status: 202 };
      return {
        ask: ask(account, person, 'instance.resize', resource),
        then: done(account, person, 'instance.resize', { ...resource, name }, { plan }, request),
      };
    },
  ],
  [
    3,
    (account, person) => {
      const resource = { type: 'firewall', id: `fw-${account.id.slice(4)}-${among(['web', 'db'])}` };
      const source = among(['10.0.0.0/8', '192.168.0.0/16', `${account.network}.0/24`]);
      const details = { added: [{ direction: 'inbound', protocol: 'tcp', ports: among(['22', '443', '5432']), source, action: 'allow' }] };
      const request = { method: 'PUT', path: `/v1/firewalls/${resource.id}/rules`, status: 200 };
      return { ask: ask(account, person, 'firewall.update', resource), then: done(account, person, 'firewall.update', resource, details, request) };
    },
  ],
  [
    2,
    (account, person) => {
      made += 1;
      const resource = { type: 'ssh_key', id: `key-${account.id.slice(4)}-${made}` };
      const question = ask(account, person, 'ssh_key.create', { ...resource, properties: { account: account.id } });
      const request = { method: 'POST', path: '/v1/ssh-keys', status: 201 };
      return { ask: question, then: done(account, person, 'ssh_key.create', resource, { type: 'ed25519', passphrase: random() < 0.7 }, request) };
    },
  ],
  [4, (account, person) => ({ ask: ask(account, person, 'billing.view', { type: 'account', id: account.id }) })],
  [
    1,
    (account, person) => {
      made += 1;
      const resource = { type: 'account', id: account.id };
      const details = { role: among(['viewer', 'developer']), personal: { email: `new-${made}@${person.email.split('@')[1]}` } };
      const request = { method: 'POST', path: `/v1/accounts/${account.id}/invitations`, status: 201 };
      return { ask: ask(account, person, 'team.invite', resource), then: done(account, person, 'team.invite', resource, details, request) };
    },
  ],
  [
    1,
    (account, person) => {
      const resource = { type: 'account', id: account.id };
      const request = { method: 'PUT', path: `/v1/accounts/${account.id}/payment-method`, status: 200 };
      return {
        ask: ask(account, person, 'payment_method.update', resource),
        then: done(account, person, 'payment_method.update', resource, { kind: 'card' }, request),
      };
    },
  ],
  [
    12,
    (account, person) => {
      const isWrong = random() < 0.12;
      const event = done(account, person, isWrong ? 'failed_login' : 'login', { type: 'user', id: person.id, name: person.name }, { method: 'password' }, {});
      return { record: isWrong ? { ...event, result: 'failure', details: { method: 'password', reason: 'wrong password' } } : event };
    },
  ],
  [
    8,
    (account, person) => {
      const status = weighted([
        [30, 200],
        [3, 404],
        [1, 500],
      ]);
      const path = among(['/v1/instances', '/v1/volumes', '/v1/images', '/v1/regions']);
      const event = done(account, person, 'api.request', { type: 'account', id: account.id }, {}, { method: 'GET', path, status });
      return { record: { ...event, result: status === 200 ? 'success' : status === 404 ? 'failure' : 'error' } };
    },
  ],
];

const someStep = () => {
  const account = weighted([
    [5, ACCOUNTS[0]],
    [3, ACCOUNTS[1]],
    [2, ACCOUNTS[2]],
  ]);
  const person = weighted(account.people.map((one) => [one.weight, one]));
  return { at: someTime(), ...weighted(DEEDS)(account, person) };
};

/** What a security team should find in this day. */
const incidents = () => {
  const [lagos, , mumbai] = ACCOUNTS;
  const tunde = lagos.people[3];
  const guessed = Array.from({ length: 9 }, (_, index) => ({
    at: 3 * 3600 + 12 * 60 + index * 41,
    record: {
      ...done(lagos, tunde, 'failed_login', { type: 'user', id: tunde.id, name: tunde.name }, { method: 'password', reason: 'wrong password' }, {}),
      actor: { type: 'user', id: tunde.id, email: tunde.email, ip: '198.51.100.77', user_agent: 'curl/8.5.0' },
      result: 'failure',
    },
  }));
  const amaka = lagos.people[4];
  const denied = lagos.instances.slice(0, 5).map((name, index) => ({
    at: 14 * 3600 + 20 * 60 + index * 7,
    ask: ask(lagos, amaka, 'instance.delete', { type: 'instance', id: `inst-${name}` }),
  }));
  const stranger = mumbai.people[2];
  const reach = {
    at: 16 * 3600 + 5 * 60,
    ask: { ...ask(mumbai, stranger, 'instance.get', { type: 'instance', id: 'inst-db-1' }), context: { ip: '103.21.58.12' } },
  };
  const ada = lagos.people[0];
  const revoked = {
    at: 9 * 3600 + 30 * 60,
    record: done(lagos, ada, 'token.revoke', { type: 'token', id: 'tok-lagos-2025' }, { reason: 'quarterly rotation' }, {}),
  };
  const mfa = { at: 9 * 3600 + 40 * 60, record: done(lagos, tunde, 'mfa.disable', { type: 'user', id: tunde.id, name: tunde.name }, { method: 'totp' }, {}) };
  return [...guessed, ...denied, reach, revoked, mfa];
};

const write = (folder, name, lines) => writeFileSync(`${folder}/${name}`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

const folder = process.argv[2] ?? fileURLToPath(new URL('../fixtures/platform', import.meta.url));
mkdirSync(folder, { recursive: true });
const special = incidents();
const steps = [...special, ...Array.from({ length: STEPS - special.length }, someStep)].sort((one, other) => one.at - other.at);
const entities = [...ACCOUNTS.flatMap(entitiesOf), ...guestsOf()];
write(folder, 'entities.ndjson', entities);
write(folder, 'traffic.ndjson', steps);
console.log(`${entities.length} entities and ${steps.length} steps (${steps.filter((step) => 'ask' in step).length} questions) in ${folder}`);
