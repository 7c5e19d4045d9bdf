import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../event/index.js';
import { firewallOf, isAboutFirewall } from './firewall.js';

const rule = (fields: JsonObject): JsonObject => ({ direction: 'inbound', protocol: 'tcp', port: 22, source: '10.1.0.0/16', action: 'allow', ...fields });
const one = (fields: JsonObject) => firewallOf([{ rules: [rule(fields)] }]);

describe('A firewall rule', () => {
  it('is read whole', () => {
    expect(one({})).toEqual({
      rules: [{ index: 0, direction: 'inbound', allow: true, protocol: 'tcp', from: 22, to: 22, anywhere: false }],
      unreadable: [],
    });
    expect(one({ direction: 'egress', action: 'DENY', protocol: 17 })).toMatchObject({ rules: [{ direction: 'outbound', allow: false, protocol: 'udp' }] });
  });

  it.each<[unknown, readonly (readonly [number, number])[]]>([
    [22, [[22, 22]]],
    ['22', [[22, 22]]],
    ['8000-8100', [[8000, 8100]]],
    ['8000:8100', [[8000, 8100]]],
    ['22,443', [[22, 22], [443, 443]]], // biome-ignore format: one case a line
    [[22, '443'], [[22, 22], [443, 443]]], // biome-ignore format: one case a line
    ['1-32767,32768-65535', [[1, 65535]]],
    ['all', [[1, 65535]]],
    ['*', [[1, 65535]]],
    ['0-65535', [[0, 65535]]],
    [{ from: 1, to: 1024 }, [[1, 1024]]],
    [null, [[1, 65535]]],
  ])('has the ports %j', (port, expected) => {
    expect(one({ port } as JsonObject)?.rules.map(({ from, to }) => [from, to])).toEqual(expected);
  });

  it('for all protocols is for all ports; one for none with ports opens none', () => {
    expect(one({ protocol: 'all' })).toMatchObject({ rules: [{ protocol: 'all', from: 1, to: 65535 }] });
    expect(one({ protocol: '-1', port: 22 })).toMatchObject({ rules: [{ from: 1, to: 65535 }] });
    expect(one({ protocol: 'icmp', port: null })).toMatchObject({ rules: [{ protocol: 'icmp', from: 0, to: 0 }] });
    expect(one({ protocol: null })).toMatchObject({ rules: [{ protocol: 'all', from: 22, to: 22 }] });
    expect(one({ protocol: 'tcp/udp' })).toMatchObject({ rules: [{ protocol: 'all', from: 22, to: 22 }] });
    expect(one({ port: null, from_port: 20, to_port: 30 })).toMatchObject({ rules: [{ from: 20, to: 30 }] });
  });

  it.each([
    '0.0.0.0/0', '::/0', '0::0/0', '0:0:0:0:0:0:0:0/0', '::ffff:0:0/96', '::ffff:0.0.0.0/96', '0.0.0.0', '::', '0/0', '203.0.113.9/0',
    '0.0.0.0/0.0.0.0', '0.0.0.0-255.255.255.255', '1.0.0.0-223.255.255.255', 'any', 'ANY', 'Anywhere-IPv4', '*', 'internet', '2000::/3', '', null, [],
    ['0.0.0.0/1', '128.0.0.0/1'], '0.0.0.0/1,128.0.0.0/1', ['0.0.0.0/2', '64.0.0.0/2', '128.0.0.0/2', '192.0.0.0/2'],
    ['0.0.0.0/1', '128.0.0.0/2', '192.0.0.0/3'], ['::/1', '8000::/1'], ['10.0.0.0/8', '0.0.0.0/0'], { addresses: ['0.0.0.0/0'] }, { cidr: '::/0' },
    ['::ffff:0:0/97', '::ffff:128.0.0.0/97'],
  ])('from %j is from anywhere', (source) => {
    expect(one({ source } as JsonObject)).toMatchObject({ rules: [{ anywhere: true }], unreadable: [] });
  }); // biome-ignore format: one list

  it.each([
    '203.0.113.0/24',
    '10.0.0.0/8',
    ['10.0.0.0/8', '192.168.0.0/16'],
    '0.0.0.0/1',
    '2001:db8::/32',
    'sg-12',
    'tag:web',
    '::ffff:10.0.0.1',
    '198.51.100.7',
  ])('from %j is not', (source) => {
    expect(one({ source })).toMatchObject({ rules: [{ anywhere: false }], unreadable: [] });
  });

  it.each<JsonObject>([
    { source: 'somewhere' },
    { source: '10.0.0.0/33' },
    { source: '10.0.0.0/8/0' },
    { source: 7 },
    { port: 'ssh' },
    { port: 65536 },
    { port: '30-20' },
    { protocol: {} },
    { direction: 'sideways' },
    { action: 'perhaps' },
  ])('that can not be read says so: %j', (fields) => {
    expect(firewallOf([{ rules: [rule({}), rule(fields)] }])).toMatchObject({ rules: [{ index: 0 }], unreadable: [{ index: 1, message: expect.any(String) }] });
  });

  it('is open to all, or for all, together with others too', () => {
    const halves = firewallOf([{ rules: [rule({ source: '0.0.0.0/1' }), rule({ source: '128.0.0.0/1' }), rule({ source: '0.0.0.0/1', port: 80 })] }]);
    expect(halves?.rules.map(({ anywhere }) => anywhere)).toEqual([true, true, false]);
    const ports = firewallOf([{ rules: [rule({ source: 'any', port: '1-100' }), rule({ source: 'any', port: '101-65535' })] }]);
    expect(ports?.rules).toMatchObject([{ to: 100 }, { to: 65535 }, { index: 1, from: 1, to: 65535 }]);
  });

  it('may stand alone, under another name, in the action or the resource', () => {
    expect(firewallOf([undefined, { protocol: 'tcp', port: 22, source: 'any' }])?.rules).toHaveLength(1);
    expect(firewallOf([{ ingress: [{ port: 22, cidr: '::/0' }], egress: { destination: '0.0.0.0/0' } }])?.rules).toMatchObject([
      { direction: 'inbound', anywhere: true },
      { direction: 'outbound', anywhere: true, from: 1, to: 65535 },
    ]);
    expect(firewallOf([{ rules: 'none' }])).toMatchObject({ unreadable: [{ index: 0 }] });
    expect(firewallOf([{ name: 'web' }, undefined])).toBeUndefined();
    expect(firewallOf([{ rules: Array.from({ length: 1001 }, () => rule({})) }])?.unreadable).toMatchObject([{ index: 1000 }]);
  });

  it('is told by its action or its resource', () => {
    expect(isAboutFirewall('firewall.update', 'account')).toBe(true);
    expect(isAboutFirewall('rule.add', 'security_group')).toBe(true);
    expect(isAboutFirewall('network_acl.create', 'x')).toBe(true);
    expect(isAboutFirewall('network.create', 'network')).toBe(false);
  });
});
