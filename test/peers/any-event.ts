import fc from 'fast-check';
import { type DecisionRecord, type Event, isEvent, type JsonObject, shown } from '../../src/event/index.js';
import type { Outgoing } from '../../src/export/sender.js';

/** Texts that mean something to one format or another, among any others. */
const HOSTILE = [
  '',
  '|',
  '=',
  '\\',
  '\\n',
  'a=b c=d',
  ' src=10.0.0.1 act=forged',
  'CEF:0|x|y|z|a|b|1|',
  'line\nbreak\r\ttab',
  '\u0000\u001b[31m\u007f\u0085',
  '\u2028\u2029',
  '🙂 "quoted" \u202etxet',
  '\ud800',
  '__proto__',
  '{"a":1}',
];
const text = (maxLength: number) =>
  fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: Math.min(maxLength, 60) }));
const name = (maxLength: number) => text(maxLength).map((value) => value.replaceAll(/\p{Cc}/gu, '·').slice(0, maxLength) || 'x');

const json = fc.jsonValue({ maxDepth: 3 });
const object = fc.dictionary(text(20), json, { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<JsonObject>;
const time = fc.date({ min: new Date('2001-01-01'), max: new Date('2199-12-31'), noInvalidDate: true }).map((date) => date.toISOString());
const optional = <T>(made: fc.Arbitrary<T>) => fc.option(made, { nil: undefined });

const decision = fc.record({
  reasons: fc.array(fc.record({ code: name(20), message: text(60) }), { maxLength: 3 }),
  advice: fc.array(json, { maxLength: 2 }),
  policy: text(64),
  duration_us: fc.nat(),
  question: object,
  facts: fc.dictionary(name(20), fc.nat(), { maxKeys: 3, noNullPrototype: true }),
});
const request = fc.record(
  {
    id: text(60),
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'get'), text(32)),
    path: text(100),
    status: fc.integer({ min: 0, max: 999 }),
    duration_ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
  },
  { requiredKeys: [] },
);
const ip = fc.oneof(fc.constantFrom('198.51.100.7', '2001:db8::1', '::ffff:1.2.3.4', 'fe80::1%eth0', 'unknown'), fc.ipV4(), fc.ipV6(), text(64));
const type = fc.oneof(fc.constantFrom('user', 'service', 'service_account', 'group', 'role', 'policy', 'instance', 'constructor', '__proto__'), name(64));
const action = fc.oneof(
  fc.constantFrom(
    'user.login',
    'session.log_out',
    'user.create',
    'user.password.reset',
    'user.lock',
    'entity.write',
    'role.delete',
    'group.suspend',
    'instance.create',
    'x.toString',
    'audit.read',
    '.',
  ),
  name(128),
);

const SALTS = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210'] as const;
/** What no format may show. */
export const SALT_TEXTS: readonly string[] = SALTS;

const compact = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, child]) => child !== undefined)) as T;

/** Any event that the schema takes. */
export const anyEvent: fc.Arbitrary<Event> = fc
  .record({
    id: name(128),
    timestamp: time,
    recorded: time,
    account: name(128),
    isDecision: fc.boolean(),
    allow: fc.boolean(),
    result: fc.constantFrom('success' as const, 'failure' as const, 'error' as const),
    actor: fc.record({ type, id: name(256), email: optional(fc.oneof(fc.emailAddress(), text(320))), ip: optional(ip), user_agent: optional(text(100)) }),
    action,
    resource: fc.record({ type, id: name(256), name: optional(text(100)) }),
    details: object,
    decision,
    caused_by: optional(name(128)),
    request: optional(request),
    region: optional(text(64)),
    source: name(128),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  })
  .map(
    ({ isDecision, allow, result, decision: rest, actor, resource, caused_by, request: call, region, ...event }) =>
      ({
        ...event,
        kind: isDecision ? ('decision' as const) : ('activity' as const),
        result: isDecision ? (allow ? ('allowed' as const) : ('denied' as const)) : result,
        actor: compact(actor),
        resource: compact(resource),
        ...(isDecision && { decision: { allow, ...rest } as DecisionRecord }),
        ...compact({ caused_by, request: call && compact(call), region }),
        log: '01JD0000000000000000000001',
        salts: SALTS,
      }) as Event,
  )
  .filter((event) => isEvent(event));

/** An event as a forwarder hands it out. */
export const outgoing = (event: Event): Outgoing => ({ event, raw: JSON.stringify(shown(event)), log: event.log, seq: event.seq });
