import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../test/peers/verdict.js';
import { fixedDirectory } from '../evaluate/directory/index.js';
import type { EventDraft } from '../event/index.js';
import { openCollectorState } from './collector-state.js';
import { type Collector, libvirtCollector } from './libvirt.js';
import { ownerFinder } from './owners.js';
import { openVirsh } from './virsh.js';

const UUID = '6695eb01-f6a4-8304-79aa-97f2502e193f';
const OTHER = '7795eb01-f6a4-8304-79aa-97f2502e193f';
const directory = fixedDirectory([
  { type: 'instance', id: 'inst-1', account: 'acc-1', properties: { region: 'lagos-1' } },
  { type: 'instance', id: 'web', account: 'acc-2', properties: { domain: UUID } },
  { type: 'instance', id: 'db', account: 'acc-2', properties: { domain: 'the-db' } },
]);

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const one of clean.splice(0).reverse()) await one();
});

const temporary = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'verdict-collect-'));
  clean.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

/** A program in virsh's place that misbehaves as it is told: `event` is what it does there, the others are what it prints. */
const misbehaving = (does: { readonly event: string; readonly list?: string; readonly domstats?: string }): string => {
  const file = join(temporary(), 'virsh');
  const print = (text = ''): string => `process.stdout.write(${JSON.stringify(text)});`;
  const body = `const args = process.argv.slice(2);
if (args.includes('event')) { ${does.event} }
else if (args.includes('--transient')) {}
else if (args.includes('list')) { ${print(does.list)} }
else { ${print(does.domstats)} }`;
  writeFileSync(file, `#!${process.execPath}\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
};

type Running = { readonly collector: Collector; readonly recorded: EventDraft[]; readonly once: string[] };

const start = async (
  virsh: string,
  more: { readonly path?: string; readonly property?: string; readonly isTaken?: () => boolean; readonly wait?: number } = {},
): Promise<Running> => {
  const recorded: EventDraft[] = [];
  const once: string[] = [];
  const collector = libvirtCollector(
    { uri: 'test:///default', reconcile_ms: 100, account_wait_ms: more.wait ?? 0 },
    {
      virsh: openVirsh({ uri: 'test:///default', virsh }),
      state: openCollectorState(more.path ?? temporary()),
      find: ownerFinder({ property: more.property ?? '' }, { directory }),
      record: async (draft, name) => {
        if (more.isTaken?.() === false) throw new Error('The journal is full.');
        recorded.push(draft);
        once.push(name);
      },
      warn: () => undefined,
    },
  );
  let isStopped = false;
  const stop = collector.stop;
  const running = {
    ...collector,
    stop: async (): Promise<void> => {
      if (isStopped) return;
      isStopped = true;
      await stop();
    },
  };
  clean.push(running.stop);
  await running.start();
  return { collector: running, recorded, once };
};

const LINE = (what: string, domain = 'inst-1'): string => `2026-11-22 05:26:22.279+0000: event 'lifecycle' for domain '${domain}': ${what}\\n`;
const STAYS = 'setInterval(() => {}, 1000);';
const LISTED = { list: `${UUID} inst-1\n`, domstats: "Domain: 'inst-1'\n  state.state=1\n  state.reason=1\n\n" };

describe('The collector of libvirt', () => {
  it('says what is missing where there is no virsh, and goes on trying', async () => {
    const { collector } = await start('/nonexistent/virsh');
    expect(await until('its complaint', () => (collector.trouble()?.includes('was not found') ? collector.trouble() : undefined))).toContain('libvirt-clients');
  });

  it('takes an event out of nonsense around it', async () => {
    const noise = `process.stdout.write("\\u0000\\u0001 garbage\\n" + "x".repeat(200000) + "\\n\\tindented: 1\\n${LINE('Stopped Destroyed')}more");`;
    const { recorded } = await start(misbehaving({ event: `${noise} ${STAYS}` }));
    const event = await until('the event', () => recorded[0]);
    expect(event).toMatchObject({ action: 'instance.stop', account: 'acc-1', region: 'lagos-1', timestamp: '2026-11-22T05:26:22.279Z', source: 'libvirt' });
  });

  it('says from when until when it was blind, each time that its connection ends', async () => {
    const { recorded } = await start(misbehaving({ event: 'console.error("error: Disconnected"); setTimeout(() => process.exit(1), 300);', ...LISTED }));
    const gap = await until('the gap', () => recorded.find(({ action }) => action === 'collector.gap'));
    expect(gap).toMatchObject({ account: 'verdict', resource: { type: 'collector', id: 'libvirt' }, details: { reason: 'Disconnected', changes: 0 } });
    const { from, to } = gap.details as { readonly from: string; readonly to: string };
    expect(Date.parse(from)).toBeLessThanOrEqual(Date.parse(to));
    // What was there at the first look is no change.
    expect(recorded.filter(({ action }) => action.startsWith('instance.'))).toEqual([]);
  });

  it('records what a list tells and no event told, as inferred, and once', async () => {
    const path = temporary();
    const first = await start(misbehaving({ event: STAYS, ...LISTED }), { path });
    await until('the first look', () => (first.collector.trouble() === undefined ? true : undefined));
    await first.collector.stop();
    const second = await start(misbehaving({ event: STAYS, list: `${OTHER} the-db\n`, domstats: "Domain: 'the-db'\n  state.state=5\n" }), {
      path,
      property: 'domain',
    });
    await until('all of it', () => (second.recorded.length >= 4 ? true : undefined));
    await new Promise((done) => setTimeout(done, 1_500));
    expect(second.recorded.map(({ action, account, resource }) => `${action} ${account} ${resource.id}`).sort()).toEqual([
      'collector.gap verdict libvirt',
      'instance.create acc-2 db',
      'instance.delete acc-1 inst-1',
      'instance.stop acc-1 inst-1',
    ]);
    const gap = second.recorded.find(({ action }) => action === 'collector.gap');
    expect(gap?.details).toMatchObject({ changes: 3, reason: 'the collector was not running' });
  });

  it('keeps what the journal does not take, says so, and records it in order when it does', async () => {
    let isTaken = false;
    const events = `process.stdout.write("${LINE('Started Booted')}${LINE('Suspended Paused')}${LINE('Stopped Destroyed')}");`;
    const { collector, recorded, once } = await start(
      misbehaving({ event: `${events} ${STAYS}`, list: `${UUID} inst-1\n`, domstats: "Domain: 'inst-1'\n  state.state=5\n" }),
      {
        isTaken: () => isTaken,
      },
    );
    await until('its complaint', () => (collector.trouble()?.includes('journal is full') ? true : undefined));
    isTaken = true;
    await until('its peace', () => (recorded.length >= 3 && collector.trouble() === undefined ? true : undefined));
    expect(recorded.slice(0, 3).map(({ action }) => action)).toEqual(['instance.start', 'instance.suspend', 'instance.stop']);
    expect(new Set(once).size).toBe(once.length);
  });

  it('finds an instance by the property that names its domain, by UUID too', async () => {
    const listed = { list: `${UUID} vm-17\n`, domstats: "Domain: 'vm-17'\n  state.state=1\n" };
    const events = `setTimeout(() => process.stdout.write("${LINE('Suspended Paused', 'vm-17')}"), 2500);`;
    const { recorded } = await start(misbehaving({ event: `${events} ${STAYS}`, ...listed }), { property: 'domain' });
    const event = await until('the event', () => recorded.find(({ action }) => action === 'instance.suspend'));
    expect(event).toMatchObject({ account: 'acc-2', resource: { type: 'instance', id: 'web', name: 'vm-17' }, details: { uuid: UUID } });
  });

  it('shows no secret that a domain is named by, nor what no name may hold', async () => {
    const secret = `AKIA${'A'.repeat(16)}`;
    const { recorded } = await start(misbehaving({ event: `process.stdout.write("${LINE('Started Booted', `vm\\u0007 ${secret}`)}"); ${STAYS}` }));
    const event = await until('the event', () => recorded[0]);
    expect(JSON.stringify(event)).not.toContain(secret);
    expect(event.resource.id).toBe('vm\ufffd …');
  });
});
