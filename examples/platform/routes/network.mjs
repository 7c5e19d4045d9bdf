// @ts-check
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { newId } from '../secrets.mjs';

const DIRECTIONS = ['inbound', 'outbound'];
const PROTOCOLS = ['tcp', 'udp', 'icmp'];
const VERDICTS = ['allow', 'deny'];

const oneOf = (/** @type {any} */ value, /** @type {string} */ name, /** @type {string[]} */ words) => {
  if (!words.includes(value)) throw new Refused(400, `"${name}" must be one of ${words.join(', ')}.`);
  return value;
};

/** SSH keys and firewalls. What may stand in them is the policy's to say. @type {typeof import('./instances.mjs').instances} */
export const network = (app, { state }) => {
  app.get('/v1/ssh-keys', (c) => c.json({ data: state.list('ssh_keys', asker(c, state).account) }));
  app.post('/v1/ssh-keys', async (c) => {
    const { account } = asker(c, state);
    const body = await bodyOf(c);
    if (typeof body.public_key !== 'string' || body.public_key.length > 16_384) throw new Refused(400, '"public_key" must be a key as OpenSSH writes it.');
    return c.json({ data: state.put('ssh_keys', { id: newId('key'), account, name: textOf(body.name, 'name'), public_key: body.public_key }) }, 201);
  });
  app.delete('/v1/ssh-keys/:id', (c) => {
    state.remove('ssh_keys', found(state, 'ssh_keys', c.req.param('id')).id);
    return c.body(null, 204);
  });

  // Inbound is denied and outbound allowed until a rule says otherwise.
  app.get('/v1/firewalls', (c) => c.json({ data: state.list('firewalls', asker(c, state).account) }));
  app.post('/v1/firewalls', async (c) => {
    const { account } = asker(c, state);
    return c.json({ data: state.put('firewalls', { id: newId('fw'), account, name: textOf((await bodyOf(c)).name, 'name'), rules: [] }) }, 201);
  });
  app.get('/v1/firewalls/:id', (c) => c.json({ data: found(state, 'firewalls', c.req.param('id')) }));
  app.post('/v1/firewalls/:id/rules', async (c) => {
    const firewall = found(state, 'firewalls', c.req.param('id'));
    const body = await bodyOf(c);
    const rule = {
      id: newId('rule'),
      direction: oneOf(body.direction ?? 'inbound', 'direction', DIRECTIONS),
      protocol: oneOf(body.protocol ?? 'tcp', 'protocol', PROTOCOLS),
      port_range: textOf(String(body.port_range ?? ''), 'port_range'),
      source: textOf(body.source, 'source'),
      action: oneOf(body.action ?? 'allow', 'action', VERDICTS),
    };
    state.put('firewalls', { ...firewall, rules: [...firewall.rules, rule] });
    return c.json({ data: rule }, 201);
  });
  app.delete('/v1/firewalls/:id/rules/:rule', (c) => {
    const firewall = found(state, 'firewalls', c.req.param('id'));
    state.put('firewalls', { ...firewall, rules: firewall.rules.filter((/** @type {any} */ rule) => rule.id !== c.req.param('rule')) });
    return c.body(null, 204);
  });
  app.delete('/v1/firewalls/:id', (c) => {
    state.remove('firewalls', found(state, 'firewalls', c.req.param('id')).id);
    return c.body(null, 204);
  });
};
