import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointOf } from '../../src/cli/configure-syslog.js';
import { filterOf } from '../../src/cli/forwarders.js';
import { type Rig, startRig } from '../contract/api/rig.js';
import { cliIn, type Ran } from '../peers/cli.js';
import { destinationTo, type Receiver, startReceiver } from '../peers/receiver.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

describe('verdict forwarders', () => {
  const folder = temporaryFolder();
  let rig: Rig;
  let receiver: Receiver;
  beforeAll(async () => {
    rig = await startRig();
    receiver = await startReceiver();
    writeFileSync(join(folder, 'siem.json'), JSON.stringify(destinationTo(receiver, { authorization: 'hunter2-of-the-siem' })));
  });
  afterAll(async () => {
    await rig.stop();
    await receiver.down();
    removeFolder(folder);
  });

  const verdictWith = (more: Record<string, string>, ...args: readonly string[]): Promise<Ran> =>
    cliIn(folder, { VERDICT_URL: `http://127.0.0.1:${rig.port}`, VERDICT_TOKEN: 'admin', ...more })(...args);
  const verdict = (...args: readonly string[]): Promise<Ran> => verdictWith({}, ...args);

  it('make, list, show, try, pause, resume, replay and remove one, by its name', { timeout: 60_000 }, async () => {
    const added = await verdict(
      'forwarders',
      'add',
      '--name',
      'siem',
      '--account',
      'acc-1',
      '--event',
      'instance.*',
      '--result',
      'denied',
      '--destination',
      '@siem.json',
      '--output',
      'json',
    );
    expect([added.code, added.err]).toEqual([0, '']);
    const { forwarder } = JSON.parse(added.out).data;
    expect(forwarder).toMatchObject({ name: 'siem', accounts: ['acc-1'], filter: { actions: ['instance.*'], results: ['denied'] } });
    const list = await verdict('forwarders', 'list');
    expect(list.out).toContain(forwarder.id);
    expect(list.out).toContain('https (json)');
    const shown = await verdict('forwarders', 'show', 'siem');
    expect(shown.out).toContain('********');
    expect(added.out + list.out + shown.out).not.toContain('hunter2');
    const tried = await verdict('forwarders', 'test', 'siem');
    expect([tried.code, tried.out.includes('accepted')]).toEqual([0, true]);
    receiver.answer((_, response) => {
      response.writeHead(401).end('no');
      return true;
    });
    const refused = await verdict('forwarders', 'test', 'siem');
    expect([refused.code, refused.out.includes('wrong'), refused.out.includes('401')]).toEqual([6, true, true]);
    receiver.answer(undefined);
    expect((await verdict('forwarders', 'pause', 'siem', '--output', 'json')).out).toContain('"state": "paused"');
    expect((await verdict('forwarders', 'resume', forwarder.id)).code).toBe(0);
    const replayed = await verdict('forwarders', 'replay', 'siem', '--from', '2026-01-01', '--to', '2026-01-31');
    expect([replayed.code, replayed.err]).toEqual([0, 'It runs beside the live feed; `verdict forwarders show siem` tells how far it is.\n']);
    expect((await verdict('forwarders', 'remove', 'siem')).code).toBe(0);
    expect((await verdict('forwarders', 'show', 'siem')).code).toBe(5);
  });

  it('say what is wrong with a destination, and exit by it', { timeout: 60_000 }, async () => {
    const add = (...more: readonly string[]) => verdict('forwarders', 'add', '--name', 'x', ...more);
    expect((await add()).code).toBe(2);
    expect((await add('--destination', 'no json')).code).toBe(2);
    expect((await add('--destination', '{"type":"https","url":"https://127.0.0.1/"}', '--account', 'a', '--all-accounts')).code).toBe(2);
    const unknown = await add('--destination', '{"type":"pigeon"}');
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('There is no destination "pigeon"')]);
  });

  it('need a key and ranges that can be used: `config check` says so, and `config` shows no key', { timeout: 60_000 }, async () => {
    const key = Buffer.alloc(32, 9).toString('base64');
    const shown = await verdictWith({ VERDICT_SECRETS_KEY: key, VERDICT_SECRETS_OLD_KEYS: key }, 'config');
    expect([shown.code, shown.out.includes(key)]).toEqual([0, false]);
    const bad = await verdictWith({ VERDICT_SECRETS_KEY: 'too short' }, 'config', 'check');
    expect([bad.code, bad.err]).toEqual([6, expect.stringContaining('secrets.key must be 32 random bytes')]);
    const range = await verdictWith({ VERDICT_OUTBOUND_ALLOW: '10.0.0.0/99' }, 'config', 'check');
    expect([range.code, range.err]).toEqual([6, expect.stringContaining('outbound.allow')]);
  });

  it('are made for a syslog server by platform A’s name', { timeout: 60_000 }, async () => {
    const siem = ['audit-logs', 'configure-syslog', '--endpoint', 'siem.example.com:6514', '--protocol', 'tls'];
    const ran = await verdict(...siem, '--format', 'rfc5424', '--output', 'json');
    expect([ran.code, ran.err]).toEqual([0, '']);
    expect(JSON.parse(ran.out).data.forwarder).toMatchObject({
      name: 'syslog-siem.example.com',
      accounts: 'all',
      format: 'rfc5424',
      destination: { type: 'syslog', protocol: 'tls', host: 'siem.example.com', port: 6514 },
    });
    const wrong = await verdict(...siem, '--format', 'rfc5242');
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('Did you mean "rfc5424"?')]);
    expect((await verdict('audit-logs', 'configure-syslog', '--endpoint', 'siem.example.com')).code).toBe(2);
    expect((await verdict('audit-logs', 'configure-syslog', '--endpoint', 'a:1', '--protocol', 'udp', '--syslog-ca', 'siem.json')).code).toBe(2);
    expect((await verdict('audit-logs', 'configure-syslog', '--endpoint', 'a:1', '--syslog-cert', 'siem.json')).code).toBe(2);
  });
});

describe('an endpoint', () => {
  it('is a host and a port', () => {
    expect(endpointOf('siem.example.com:6514')).toEqual({ host: 'siem.example.com', port: 6514 });
    expect(endpointOf('[2001:db8::1]:514')).toEqual({ host: '2001:db8::1', port: 514 });
    for (const text of ['', 'host', 'host:', 'host:0', 'host:70000', ':514', '2001:db8::1:514', 'host:514x'])
      expect(() => endpointOf(text)).toThrow('HOST:PORT');
  });
});

describe('a filter', () => {
  it('has what was named, and nothing else', () => {
    expect(filterOf({})).toEqual({});
    expect(filterOf({ account: ['a'], event: ['x.*'], kind: ['decision'], region: 'eu', since: '2026-01-01' })).toEqual({
      accounts: ['a'],
      filter: { actions: ['x.*'], kinds: ['decision'] },
      region: 'eu',
      since: '2026-01-01',
    });
    expect(filterOf({ allAccounts: true })).toEqual({ accounts: 'all' });
  });
});
