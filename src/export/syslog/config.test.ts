import { describe, expect, it } from 'vitest';
import { newAjv } from '../../event/index.js';
import { type SyslogConfig, settingsOf, syslogSchema } from './config.js';

const isValid = newAjv({ keywords: ['x-secret'] }).compile(syslogSchema);
const least: SyslogConfig = { protocol: 'tls', host: 'logs.example', port: 6514 };

describe('the configuration of syslog', () => {
  it.each([
    [{}, true],
    [{ tls: { ca: 'x', cert: 'x', key: 'x' }, framing: 'newline', facility: 'local3', enterprise: 1, overlap: { ms: 0 } }, true],
    [{ tls: { cert: 'x' } }, false],
    [{ host: 'a b' }, false],
    [{ port: 0 }, false],
    [{ protocol: 'http' }, false],
    [{ max_octets: 480 }, false],
    [{ hostname: 'ß' }, false],
    [{ app_name: 'a'.repeat(49) }, false],
    [{ facility: 'audit2' }, false],
    [{ token: 'x' }, false],
  ])('with %j is taken: %s', (more, expected) => {
    expect(isValid({ ...least, ...more })).toBe(expected);
  });

  it('keeps messages under 8,000 octets, and datagrams under 2,048, where it says nothing else', () => {
    expect(settingsOf(least).layout.max_octets).toBe(8_000);
    expect(settingsOf({ ...least, protocol: 'udp' }).layout.max_octets).toBe(2_048);
    expect(settingsOf({ ...least, max_octets: 4_000 }).layout).toMatchObject({ max_octets: 4_000, facility: 'authpriv', app_name: 'verdict' });
  });

  it('has secrets marked: the key, and nothing else', () => {
    const marked = JSON.stringify(syslogSchema, (_name, value: unknown) => value).match(/"x-secret":true/g);
    expect(marked).toHaveLength(1);
    expect(syslogSchema.properties.tls.properties.key['x-secret']).toBe(true);
  });
});
