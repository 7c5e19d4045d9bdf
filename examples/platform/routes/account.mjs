// @ts-check
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { hashPassword, isPassword, newId, newRecoveryCodes, newToken, newTotpSecret } from '../secrets.mjs';

const METHODS = ['totp', 'hardware_key', 'sms'];
const SESSION_MS = 8 * 3_600_000;

/** Login, the second factor, billing, and the account itself. @type {typeof import('./instances.mjs').instances} */
export const account = (app, { state }) => {
  const session = (/** @type {any} */ user, /** @type {any} */ member) => {
    const { secret, hash } = newToken();
    const times = { created: new Date().toISOString(), expires: new Date(Date.now() + SESSION_MS).toISOString() };
    const token = state.put('tokens', {
      id: newId('tok'),
      account: member.account,
      owner: user.id,
      name: 'session',
      scope: 'admin',
      ...times,
      revoked: false,
      hash,
    });
    return { ...token, secret };
  };

  app.post('/v1/auth/login', async (c) => {
    const body = await bodyOf(c);
    const user = state.find('users', (one) => one.email === body.email);
    const member = user && state.find('members', (one) => one.user === user.id);
    if (!isPassword(String(body.password ?? ''), user?.password) || !member) throw new Refused(401, 'E-mail address or password is wrong.');
    return c.json({ data: session(user, member) });
  });

  app.get('/v1/account', (c) => c.json({ data: found(state, 'accounts', asker(c, state).account) }));
  app.get('/v1/account/2fa', (c) => c.json({ data: { user: asker(c, state).user, two_factor: found(state, 'users', asker(c, state).user).two_factor } }));
  app.post('/v1/account/2fa', async (c) => {
    const user = found(state, 'users', asker(c, state).user);
    const method = (await bodyOf(c)).method ?? 'totp';
    if (!METHODS.includes(method)) throw new Refused(400, `"method" must be one of ${METHODS.join(', ')}.`);
    const before = user.two_factor?.methods ?? [];
    if (method === 'sms' && before.length === 0) throw new Refused(400, 'SMS is a backup: enable totp or a hardware key first.');
    const two_factor = { methods: [...new Set([...before, method])] };
    const codes = newRecoveryCodes();
    state.put('users', { ...user, two_factor, recovery_codes: codes.map((code) => hashPassword(code)) });
    return c.json({ data: { user: user.id, two_factor, ...(method === 'totp' && { totp_secret: newTotpSecret() }), recovery_codes: codes } });
  });
  app.delete('/v1/account/2fa', (c) => {
    const { recovery_codes: _codes, ...user } = found(state, 'users', asker(c, state).user);
    const changed = state.put('users', { ...user, two_factor: { methods: [] } });
    return c.json({ data: { user: changed.id, two_factor: changed.two_factor } });
  });
  app.put('/v1/account/2fa/requirement', (c) => {
    const mine = found(state, 'accounts', asker(c, state).account);
    return c.json({ data: state.put('accounts', { ...mine, require_2fa: mine.require_2fa ?? { since: new Date().toISOString() } }) });
  });

  // A stub: nobody is charged for anything.
  app.get('/v1/billing', (c) => {
    const mine = asker(c, state).account;
    return c.json({ data: { account: mine, currency: 'USD', instances: state.list('instances', mine).length, due: '0.00' } });
  });
  app.get('/v1/billing/payment-methods', (c) => c.json({ data: state.list('payment_methods', asker(c, state).account) }));
  app.post('/v1/billing/payment-methods', async (c) => {
    const label = textOf((await bodyOf(c)).label, 'label');
    return c.json({ data: state.put('payment_methods', { id: newId('pm'), account: asker(c, state).account, label }) }, 201);
  });
  app.delete('/v1/billing/payment-methods/:id', (c) => {
    state.remove('payment_methods', found(state, 'payment_methods', c.req.param('id')).id);
    return c.body(null, 204);
  });

  // The first account, once. It is in no route table, so the gateway lets nobody through to it.
  app.post('/setup', async (c) => {
    if (!state.isEmpty()) throw new Refused(409, 'This platform is set up already.');
    const { accounts, users, members, tokens } = await bodyOf(c);
    for (const one of accounts) state.put('accounts', one);
    for (const { password, ...one } of users) state.put('users', { ...one, password: hashPassword(password) });
    for (const one of members) state.put('members', one);
    for (const one of tokens) state.put('tokens', one);
    return c.json({ data: { accounts: accounts.length } }, 201);
  });
};
