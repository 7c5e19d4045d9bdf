// @ts-check
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { newId, newToken } from '../secrets.mjs';

const SCOPES = ['read', 'write', 'admin'];
const DAY_MS = 86_400_000;

/** `7d`, or a date; null: never. */
const expiryOf = (/** @type {any} */ said) => {
  if (said === undefined || said === null) return null;
  const days = /^(\d{1,4})d$/.exec(String(said))?.[1];
  const time = days ? Date.now() + Number(days) * DAY_MS : Date.parse(String(said));
  if (Number.isNaN(time)) throw new Refused(400, '"expires" must be a number of days (7d) or a date.');
  return new Date(time).toISOString();
};

/** Tokens: the secret is random, shown in the answer that makes it and never again. @type {typeof import('./instances.mjs').instances} */
export const tokens = (app, { state }) => {
  /** What the book has of a token, and what its maker sees once. `hash` is what the gateway knows it by. */
  const made = (/** @type {any} */ wish) => {
    const { secret, hash } = newToken();
    const token = state.put('tokens', { id: newId('tok'), created: new Date().toISOString(), revoked: false, ...wish, hash });
    return { ...token, secret };
  };
  const shown = (/** @type {any} */ { hash: _hash, ...token }) => token;

  app.get('/v1/tokens', (c) => c.json({ data: state.list('tokens', asker(c, state).account).map(shown) }));
  app.post('/v1/tokens', async (c) => {
    const { account, user } = asker(c, state);
    const body = await bodyOf(c);
    const scope = textOf(body.scope, 'scope', 'write');
    if (!SCOPES.includes(scope)) throw new Refused(400, `"scope" must be one of ${SCOPES.join(', ')}.`);
    return c.json({ data: made({ account, owner: user, name: textOf(body.name, 'name'), scope, expires: expiryOf(body.expires) ?? undefined }) }, 201);
  });
  // The old one goes on until it is revoked.
  app.post('/v1/tokens/:id/rotate', (c) => {
    const { account, owner, name, scope, expires } = found(state, 'tokens', c.req.param('id'));
    return c.json({ data: made({ account, owner, name, scope, expires, rotated_from: c.req.param('id') }) }, 201);
  });
  app.delete('/v1/tokens/:id', (c) => c.json({ data: shown(state.put('tokens', { ...found(state, 'tokens', c.req.param('id')), revoked: true })) }));
};
