// @ts-check
import { asker, bodyOf, found, Refused, textOf } from '../request.mjs';
import { newId } from '../secrets.mjs';
import { REGIONS } from './instances.mjs';

/** Volumes are kept in the books only: nothing is written to a disk. @type {typeof import('./instances.mjs').instances} */
export const storage = (app, { state }) => {
  app.get('/v1/volumes', (c) => c.json({ data: state.list('volumes', asker(c, state).account) }));
  app.post('/v1/volumes', async (c) => {
    const { account } = asker(c, state);
    const body = await bodyOf(c);
    const size = body.size_gb;
    if (!Number.isInteger(size) || size < 1 || size > 10_000) throw new Refused(400, '"size_gb" must be a whole number from 1 to 10000.');
    const region = textOf(body.region, 'region', 'lagos-1');
    if (!REGIONS.includes(region)) throw new Refused(400, `There is no region ${region}.`);
    return c.json({ data: state.put('volumes', { id: newId('vol'), account, name: textOf(body.name, 'name'), size_gb: size, region, instance: null }) }, 201);
  });
  app.get('/v1/volumes/:id', (c) => c.json({ data: found(state, 'volumes', c.req.param('id')) }));
  app.post('/v1/volumes/:id/attach', async (c) => {
    const volume = found(state, 'volumes', c.req.param('id'));
    const instance = found(state, 'instances', textOf((await bodyOf(c)).instance, 'instance'));
    if (instance.account !== volume.account) throw new Refused(404, `There is no ${instance.id} among the instances.`);
    return c.json({ data: state.put('volumes', { ...volume, instance: instance.id }) });
  });
  app.post('/v1/volumes/:id/detach', (c) => c.json({ data: state.put('volumes', { ...found(state, 'volumes', c.req.param('id')), instance: null }) }));
  app.delete('/v1/volumes/:id', (c) => {
    const volume = found(state, 'volumes', c.req.param('id'));
    if (volume.instance) throw new Refused(409, `${volume.id} is attached to ${volume.instance}.`);
    state.remove('volumes', volume.id);
    return c.body(null, 204);
  });
};
