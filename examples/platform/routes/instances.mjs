// @ts-check

import { domainXml } from '../domain-xml.mjs';
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { newId } from '../secrets.mjs';

export const REGIONS = ['lagos-1', 'london-1', 'frankfurt-1'];
export const PLANS = [
  { id: 'nano', memory_mb: 32, vcpus: 1 },
  { id: 'kvm-1', memory_mb: 64, vcpus: 1 },
  { id: 'kvm-2', memory_mb: 128, vcpus: 2 },
];
const MOST_CLONES = 20;

const planOf = (/** @type {string} */ id) => {
  const plan = PLANS.find((one) => one.id === id);
  if (!plan) throw new Refused(400, `There is no plan ${id}; there are ${PLANS.map((one) => one.id).join(', ')}.`);
  return plan;
};

const regionOf = (/** @type {string} */ id) => {
  if (!REGIONS.includes(id)) throw new Refused(400, `There is no region ${id}; there are ${REGIONS.join(', ')}.`);
  return id;
};

const tagsOf = (/** @type {any} */ tags = []) => {
  if (!Array.isArray(tags) || tags.length > 50 || !tags.every((tag) => typeof tag === 'string' && /^[\w:.-]{1,64}$/.test(tag)))
    throw new Refused(400, '"tags" must be a list of at most 50 words.');
  return tags;
};

/** @type {(app: import('hono').Hono, parts: { state: ReturnType<typeof import('../state.mjs').openState>, libvirt: ReturnType<typeof import('../virsh.mjs').openLibvirt> }) => void} */
export const instances = (app, { state, libvirt }) => {
  const shown = async (/** @type {any} */ instance) => ({ ...instance, status: await libvirt.state(instance.id).catch(() => 'unknown') });

  /** Defines the domain, starts it where wished, and only then is it there. */
  const create = async (/** @type {any} */ wish, /** @type {boolean} */ isStarted) => {
    const instance = { id: newId('inst'), created: new Date().toISOString(), ...wish };
    const { memory_mb, vcpus } = planOf(instance.plan);
    await libvirt.define(domainXml({ ...instance, memory_mb, vcpus }, libvirt.type()));
    try {
      if (isStarted) await libvirt.start(instance.id);
    } catch (error) {
      await libvirt.remove(instance.id);
      if (libvirt.mustEmulate(error)) return create(wish, isStarted);
      throw error;
    }
    return state.put('instances', instance);
  };

  const ACTIONS = { start: libvirt.start, stop: libvirt.stop, reboot: libvirt.reboot };

  app.get('/v1/regions', (c) => c.json({ data: REGIONS.map((id) => ({ id })) }));
  app.get('/v1/plans', (c) => c.json({ data: PLANS }));
  app.get('/v1/instances', async (c) => c.json({ data: await Promise.all(state.list('instances', asker(c, state).account).map(shown)) }));
  app.post('/v1/instances', async (c) => {
    const { account } = asker(c, state);
    const body = await bodyOf(c);
    const wish = {
      account,
      name: textOf(body.name, 'name'),
      plan: planOf(textOf(body.plan, 'plan', 'nano')).id,
      region: regionOf(textOf(body.region, 'region', 'lagos-1')),
      image: textOf(body.image, 'image', 'none'),
      tags: tagsOf(body.tags),
    };
    return c.json({ data: await shown(await create(wish, body.start !== false)) }, 201);
  });
  app.get('/v1/instances/:id', async (c) => c.json({ data: await shown(found(state, 'instances', c.req.param('id'))) }));
  app.patch('/v1/instances/:id', async (c) => {
    const instance = found(state, 'instances', c.req.param('id'));
    const body = await bodyOf(c);
    const changed = { ...instance, name: textOf(body.name, 'name', instance.name), tags: tagsOf(body.tags ?? instance.tags) };
    return c.json({ data: await shown(state.put('instances', changed)) });
  });
  app.post('/v1/instances/:id/actions', async (c) => {
    const instance = found(state, 'instances', c.req.param('id'));
    const { action } = await bodyOf(c);
    if (!Object.hasOwn(ACTIONS, action)) throw new Refused(400, `"action" must be one of ${Object.keys(ACTIONS).join(', ')}.`);
    await ACTIONS[/** @type {keyof typeof ACTIONS} */ (action)](instance.id);
    return c.json({ data: await shown(instance) });
  });
  app.post('/v1/instances/bulk/clone', async (c) => {
    const { account } = asker(c, state);
    const body = await bodyOf(c);
    if (!Array.isArray(body.ids) || body.ids.length === 0 || body.ids.length > MOST_CLONES)
      throw new Refused(400, `"ids" must be a list of 1 to ${MOST_CLONES} instances.`);
    const tags = tagsOf(body.tags);
    const sources = body.ids.map((/** @type {any} */ id) => found(state, 'instances', String(id)));
    const made = [];
    for (const { id, created: _created, ...source } of sources) {
      const wish = { ...source, account, name: `${source.name}-clone`, tags: [...new Set([...source.tags, ...tags])], cloned_from: id };
      made.push(await shown(await create(wish, body.start === true)));
    }
    return c.json({ data: made }, 201);
  });
  app.delete('/v1/instances/:id', async (c) => {
    const { id } = found(state, 'instances', c.req.param('id'));
    if ((await libvirt.state(id)) !== 'shut off') await libvirt.stop(id);
    await libvirt.remove(id);
    state.remove('instances', id);
    return c.body(null, 204);
  });
};
