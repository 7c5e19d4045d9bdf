// @ts-check
// Sets the example platform up, once: an account with four people and a token each. The platform keeps them in its books,
// and Verdict's directory learns who is who. Each token is shown here and nowhere else.
import { existsSync, readFileSync } from 'node:fs';
import { newId, newToken } from './secrets.mjs';

const PLATFORM = process.env['PLATFORM_URL'] ?? 'http://127.0.0.1:9000';
const VERDICT = process.env['VERDICT_URL'] ?? 'http://127.0.0.1:8088';
const KEPT = './data/admin-token';
const ADMIN = process.env['VERDICT_TOKEN'] ?? process.env['VERDICT_ADMIN_TOKEN'] ?? (existsSync(KEPT) ? readFileSync(KEPT, 'utf8').trim() : undefined);

const call = async (/** @type {string} */ what, /** @type {string} */ url, /** @type {RequestInit} */ init) => {
  const answer = await fetch(url, init).catch((error) => {
    throw new Error(`${what} does not answer at ${url}: ${error.cause?.message ?? error.message}`);
  });
  if (!answer.ok && answer.status !== 207) throw new Error(`${what} answered ${answer.status} at ${url}: ${await answer.text()}`);
  return answer.json();
};

/** @param {unknown} body */
const json = (body) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const ACCOUNT = 'acc-1';
const PEOPLE = /** @type {const} */ ([
  { id: 'usr-olu', email: 'olu@example.com', role: 'owner', scope: 'admin' },
  { id: 'usr-ada', email: 'ada@example.com', role: 'admin', scope: 'admin' },
  { id: 'usr-dayo', email: 'dayo@example.com', role: 'developer', scope: 'write' },
  { id: 'usr-vera', email: 'vera@example.com', role: 'viewer', scope: 'write' },
]);

const main = async () => {
  if (!ADMIN) throw new Error(`Verdict's admin token is missing: run this in the folder that Verdict was started in (${KEPT}), or set VERDICT_TOKEN.`);
  const now = new Date().toISOString();
  const two_factor = { methods: ['totp'] };
  const people = PEOPLE.map((person) => ({ ...person, password: newToken().secret.slice(5, 25), token: { id: newId('tok'), ...newToken() } }));
  const tokens = people.map(({ id, role, scope, token: { secret: _secret, ...token } }) => ({
    ...token,
    account: ACCOUNT,
    owner: id,
    name: `${role}'s first`,
    scope,
    created: now,
    revoked: false,
  }));

  await call(
    'The platform',
    `${PLATFORM}/setup`,
    json({
      accounts: [{ id: ACCOUNT, name: 'Example' }],
      users: people.map(({ id, email, password }) => ({ id, email, password, two_factor })),
      members: people.map(({ id, email, role }) => ({ id: `${ACCOUNT}:${id}`, account: ACCOUNT, user: id, email, role, joined: now })),
      tokens,
    }),
  );
  const entities = [
    { type: 'account', id: ACCOUNT, account: ACCOUNT, properties: { name: 'Example', tier: 'standard' } },
    ...people.map(({ id, email }) => ({ type: 'user', id, properties: { email, two_factor } })),
    ...people.map(({ id, role }) => ({ type: 'membership', id: `${ACCOUNT}:${id}`, account: ACCOUNT, properties: { role, joined: now } })),
    ...tokens.map(({ id, owner, scope, hash }) => ({ type: 'token', id, account: ACCOUNT, properties: { owner, scope, created: now, hash } })),
  ];
  const { headers, ...request } = json(entities);
  const answer = await call('Verdict', `${VERDICT}/v1/entities`, { ...request, headers: { ...headers, authorization: `Bearer ${ADMIN}` } });
  const refused = answer.data.entities.find((/** @type {any} */ one) => one.status >= 300);
  if (refused) throw new Error(`Verdict's directory did not take everything: ${refused.detail ?? refused.status}`);

  process.stdout.write(`${entities.length} entities are in Verdict's directory. The tokens, shown this once:\n\n`);
  for (const { role, token } of people) process.stdout.write(`export ${role.toUpperCase()}=${token.secret}\n`);
  process.stdout.write(`\nPasswords for POST /v1/auth/login:\n`);
  for (const { email, password } of people) process.stdout.write(`${email} ${password}\n`);
};

await main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
