// @ts-check
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { newId } from '../secrets.mjs';

const ROLES = ['owner', 'admin', 'developer', 'viewer'];

const roleOf = (/** @type {any} */ role) => {
  if (!ROLES.includes(role)) throw new Refused(400, `"role" must be one of ${ROLES.join(', ')}.`);
  return role;
};

/** A member's id is `account:user`, as Verdict's directory names memberships. @type {typeof import('./instances.mjs').instances} */
export const team = (app, { state }) => {
  app.get('/v1/team', (c) => c.json({ data: state.list('members', asker(c, state).account) }));
  app.post('/v1/team/invitations', async (c) => {
    const { account } = asker(c, state);
    const body = await bodyOf(c);
    const email = textOf(body.email, 'email');
    const known = state.find('users', (one) => one.email === email);
    const user = known ?? state.put('users', { id: newId('usr'), email, two_factor: { methods: [] } });
    const member = { id: `${account}:${user.id}`, account, user: user.id, email, role: roleOf(body.role), joined: new Date().toISOString() };
    return c.json({ data: state.put('members', member) }, 201);
  });
  app.patch('/v1/team/:id', async (c) => {
    const member = found(state, 'members', c.req.param('id'));
    return c.json({ data: state.put('members', { ...member, role: roleOf((await bodyOf(c)).role) }) });
  });
  app.delete('/v1/team/:id', (c) => {
    state.remove('members', found(state, 'members', c.req.param('id')).id);
    return c.body(null, 204);
  });
};
