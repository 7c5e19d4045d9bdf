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

/** When all of these people joined, and when their account began to require a second factor: long before the day. */
const JOINED = '2024-11-04T09:00:00Z';
const SECOND_FACTOR_SINCE = '2025-09-01T00:00:00Z';

/**
 * The accounts, their people and what they run: one for each way of granting. By the role table (lagos), by access control
 * list (zurich: `acl`, with what each entry says but its account) and by IAM document (mumbai: `documents`).
 */
const ACCOUNTS = [
  {
    id: 'acc-lagos',
    properties: {
      name: 'Eko Ledger',
      tier: 'enterprise',
      region: 'lagos-1',
      access_models: ['roles'],
      require_2fa: { since: SECOND_FACTOR_SINCE },
      regions: ['lagos-1', 'london-1', 'frankfurt-1'],
    },
    network: '102.89.23',
    people: [
      { id: 'usr-ada', name: 'Ada Okafor', email: 'ada@eko-ledger.example', role: 'owner', methods: ['totp', 'hardware_key'], agent: BROWSER, weight: 2 },
      { id: 'usr-chidi', name: 'Chidi Eze', email: 'chidi@eko-ledger.example', role: 'admin', agent: BROWSER, weight: 4 },
      { id: 'usr-ngozi', name: 'Ngozi Bello', email: 'ngozi@eko-ledger.example', role: 'developer', agent: TERRAFORM, token: 'tok-lagos-ci', weight: 8 },
      { id: 'usr-tunde', name: 'Tunde Adeyemi', email: 'tunde@eko-ledger.example', role: 'developer', agent: 'kvmctl/4.2', weight: 7 },
      { id: 'usr-amaka', name: 'Amaka Obi', email: 'amaka@eko-ledger.example', role: 'viewer', agent: BROWSER, weight: 5 },
      // Never enrolled but by SMS, which is a backup only.
      { id: 'usr-emeka', name: 'Emeka Nwosu', email: 'emeka@eko-ledger.example', role: 'developer', methods: ['sms'], agent: BROWSER, weight: 1 },
    ],
    tokens: [
      { id: 'tok-lagos-ci', owner: 'usr-ngozi', scope: 'write' },
      { id: 'tok-lagos-grafana', owner: 'usr-amaka', scope: 'read', created: '2025-06-02T08:00:00Z' },
      { id: 'tok-lagos-2025', owner: 'usr-tunde', scope: 'admin', created: '2025-01-13T08:00:00Z', revoked: true },
    ],
    instances: ['web-1', 'web-2', 'web-3', 'api-1', 'api-2', 'db-1', 'db-2', 'cache-1', 'batch-1', 'staging-1'],
  },
  {
    id: 'acc-zurich',
    properties: { name: 'Limmat Render', tier: 'standard', retention_days: 365, region: 'zurich-1', access_models: ['acl'], regions: ['zurich-1'] },
    network: '185.12.64',
    people: [
      { id: 'usr-livia', name: 'Livia Meier', email: 'livia@limmat.example', agent: BROWSER, weight: 2 },
      { id: 'usr-reto', name: 'Reto Frei', email: 'reto@limmat.example', agent: 'kvmctl/4.2', weight: 5 },
      { id: 'usr-nina', name: 'Nina Baumann', email: 'nina@limmat.example', agent: BROWSER, weight: 4 },
      { id: 'usr-urs', name: 'Urs Keller', email: 'urs@limmat.example', agent: BROWSER, weight: 3 },
      { id: 'usr-sina', name: 'Sina Graf', email: 'sina@limmat.example', groups: ['rendering'], agent: 'python-requests/2.32', weight: 6 },
    ],
    acl: {
      livia: { grantee: 'user/usr-livia', target: { module: '*' }, access: 'read-write' },
      reto: { grantee: 'user/usr-reto', target: { module: '*', except: ['billing'] }, access: 'read-write' },
      'nina-servers': { grantee: 'user/usr-nina', target: { module: 'servers' }, access: 'read-write', verbs: ['start', 'stop'] },
      'urs-billing': { grantee: 'user/usr-urs', target: { module: 'billing' }, access: 'read-only' },
      'render-farm': { grantee: 'group/rendering', target: { tag: 'render-farm' }, access: 'read-write' },
      'rendering-files': { grantee: 'group/rendering', target: { resource: 'instance/inst-files-1' }, access: 'read-only' },
    },
    tokens: [{ id: 'tok-zurich-farm', owner: 'usr-sina', scope: 'write', services: ['compute'] }],
    instances: ['render-1', 'render-2', 'render-3', 'render-4', 'render-5', 'render-6', 'queue-1', 'files-1', 'office-1'],
  },
  {
    id: 'acc-mumbai',
    properties: {
      name: 'Kavach Health',
      tier: 'enterprise',
      region: 'mumbai-1',
      access_models: ['iam'],
      ip_allowlist: ['103.21.58.0/24'],
      regions: ['mumbai-1'],
    },
    network: '103.21.58',
    people: [
      // Root is for billing and for breaking glass: see incidents().
      { id: 'usr-kavach-root', name: 'Kavach Health (root)', email: 'root@kavach.example', role: 'root', agent: BROWSER, weight: 0 },
      { id: 'usr-priya', name: 'Priya Nair', email: 'priya@kavach.example', agent: BROWSER, weight: 4, policies: ['KavachAdministrators'] },
      { id: 'usr-arjun', name: 'Arjun Rao', email: 'arjun@kavach.example', agent: BROWSER, weight: 4, policies: ['CloudNxReadOnlyAccess'] },
      {
        id: 'usr-kavach-backup',
        name: 'Backups',
        email: 'backup@kavach.example',
        agent: 'kavach-backup/1.8',
        token: 'tok-mumbai-backup',
        weight: 8,
        policies: ['CloudNxStorageFullAccess', 'CloudNxReadOnlyAccess'],
      },
    ],
    documents: {
      KavachAdministrators: [
        { sid: 'Everything', effect: 'allow', actions: ['*'], resources: ['*'] },
        {
          sid: 'KeepTheArchive',
          effect: 'deny',
          actions: ['instance.delete', 'instance.rebuild'],
          resources: ['instance/inst-archive-*', 'instance/inst-emr-*'],
        },
      ],
    },
    tokens: [{ id: 'tok-mumbai-backup', owner: 'usr-kavach-backup', scope: 'write' }],
    instances: ['emr-1', 'emr-2', 'lab-1', 'gateway-1', 'archive-1'],
  },
];

/** Works for one account and looks into another: one person, two memberships. */
const GUESTS = [{ account: 'acc-mumbai', user: 'usr-chidi', joined: JOINED, policies: ['CloudNxReadOnlyAccess'] }];

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
    return own('instance', `inst-${name}`, {
      name,
      plan: among(PLANS),
      image: among(IMAGES),
      region: among(account.properties.regions),
      tags: TAGS[stem] ?? [stem],
    });
  });
  return [
    own('account', account.id, account.properties),
    ...account.people.map(({ id, name, email, methods = ['totp'] }) => ({ type: 'user', id, properties: { name, email, two_factor: { methods } } })),
    // Before the memberships that they are attached to.
    ...Object.entries(account.documents ?? {}).map(([name, statements]) =>
      own('iam_policy', `${account.id}:${name}`, { document: { version: '2026-11-01', statements } }),
    ),
    ...account.people.map((person) => own('membership', `${account.id}:${person.id}`, { joined: JOINED, ...fieldsOf(person, ['role', 'groups', 'policies']) })),
    ...Object.entries(account.acl ?? {}).map(([name, entry]) => own('acl', `${account.id}:${name}`, entry)),
    ...account.tokens.map(({ id, ...properties }) => own('token', id, properties)),
    ...servers,
    ...account.instances
      .slice(0, 6)
      .map((name) =>
        own('volume', `vol-${name}`, { name: `${name}-data`, size_gb: among([50, 100, 250]), instance: `inst-${name}`, region: account.properties.region }),
      ),
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
      const [plan, image, region] = [among(PLANS), among(IMAGES), among(account.properties.regions)];
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
      const question = ask(account, person, 'firewall.update', resource);
      return {
        ask: { ...question, action: { ...question.action, properties: { rules: details.added } } },
        then: done(account, person, 'firewall.update', resource, details, request),
      };
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
  [
    4,
    (account, person) => {
      made += 1;
      const volume = `vol-${among(account.instances.slice(0, 5))}`;
      const resource = { type: 'backup', id: `bak-${account.id.slice(4)}-${made}` };
      const question = ask(account, person, 'backup.create', { ...resource, properties: { account: account.id, volume, region: account.properties.region } });
      const request = { method: 'POST', path: '/v1/backups', status: 202 };
      return { ask: question, then: done(account, person, 'backup.create', resource, { volume }, request) };
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

/** SSH from anywhere: a guardrail. */
const openedSsh = (account, person) => {
  const question = ask(account, person, 'firewall.update', { type: 'firewall', id: 'fw-lagos-web' });
  const rules = [{ direction: 'inbound', protocol: 'tcp', ports: '22', source: '0.0.0.0/0', action: 'allow' }];
  return { at: 15 * 3600 + 12 * 60, ask: { ...question, action: { ...question.action, properties: { rules } } } };
};

/** A server outside of the regions that the account's data stays in, and a login from outside of its network. */
const elsewhere = () => {
  const [lagos, , mumbai] = ACCOUNTS;
  const [chidi, priya] = [lagos.people[1], mumbai.people[1]];
  const server = { type: 'instance', id: 'inst-lagos-virginia', properties: { account: lagos.id, plan: 'kvm-2', image: 'debian-13', region: 'virginia-1' } };
  const abroad = ask(mumbai, priya, 'instance.get', { type: 'instance', id: 'inst-emr-1' }, { ip: '198.51.100.77' });
  return [
    { at: 11 * 3600 + 8 * 60, ask: ask(lagos, chidi, 'instance.create', server) },
    { at: 3 * 3600 + 20 * 60, ask: abroad },
  ];
};

/** Root looks at the bill, is held back from the servers, and breaks glass under a ticket. */
const rootsDay = (account) => {
  const root = account.people[0];
  const server = { type: 'instance', id: 'inst-emr-1' };
  const stop = ask(account, root, 'instance.stop', server, { break_glass: { ticket: 'INC-4711' } });
  const request = { method: 'POST', path: '/v1/instances/inst-emr-1/stop', status: 202 };
  return [
    { at: 2 * 3600 + 31 * 60, ask: ask(account, root, 'instance.stop', server) },
    { at: 2 * 3600 + 34 * 60, ask: stop, then: done(account, root, 'instance.stop', { ...server, name: 'emr-1' }, { ticket: 'INC-4711' }, request) },
    { at: 8 * 3600 + 15 * 60, ask: ask(account, root, 'billing.view', { type: 'account', id: account.id }) },
  ];
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
  const bygone = {
    at: 10 * 3600 + 2 * 60,
    ask: ask(lagos, tunde, 'instance.list', { type: 'account', id: lagos.id }, { token: 'tok-lagos-2025' }),
  };
  const mfa = { at: 9 * 3600 + 40 * 60, record: done(lagos, tunde, 'mfa.disable', { type: 'user', id: tunde.id, name: tunde.name }, { method: 'sms' }, {}) };
  return [...guessed, ...denied, reach, revoked, bygone, mfa, openedSsh(lagos, tunde), ...elsewhere(), ...rootsDay(mumbai)];
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
