import { Writable } from 'node:stream';
import { type LogEntry, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logBridge, logLevelFor } from './log.js';

const said = (entry: Partial<LogEntry> & { readonly log: LogEntry['log'] }): readonly Record<string, unknown>[] => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) }));
  logBridge(log)(logLevel.DEBUG)({ namespace: 'Connection', level: logLevel.ERROR, label: 'ERROR', ...entry });
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};

const entry = (message: string, more: object = {}): LogEntry['log'] => ({ timestamp: '', message, ...more }) as LogEntry['log'];

test('an error of kafkajs is a warning, with what it concerns', () => {
  expect(said({ log: entry('SASL authentication failed', { broker: 'b:9092', error: 'no', stack: 'at x' }) })).toMatchObject([
    { level: 40, part: 'kafka.Connection', broker: 'b:9092', why: 'no', msg: 'SASL authentication failed' },
  ]);
});

test('what mends itself is said at debug', () => {
  for (const message of ['Connection error: connect ECONNREFUSED', 'The group is rebalancing, re-joining', 'Connection timeout'])
    expect(said({ log: entry(message) })).toMatchObject([{ level: 20 }]);
  expect(said({ log: entry('Response GroupCoordinator', { error: 'The coordinator is loading and hence can not process requests' }) })).toMatchObject([
    { level: 20 },
  ]);
});

test('kafkajs makes no entry that would be dropped', () => {
  expect(logLevelFor(pino({ level: 'info' }))).toBe(logLevel.WARN);
  expect(logLevelFor(pino({ level: 'error' }))).toBe(logLevel.ERROR);
  expect(logLevelFor(pino({ level: 'trace' }))).toBe(logLevel.DEBUG);
});
