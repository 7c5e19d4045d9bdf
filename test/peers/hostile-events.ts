import { type DecisionRecord, type Event, shown } from '../../src/event/index.js';
import type { Outgoing } from '../../src/export/sender.js';
import { testLog } from './events.js';

/** Texts that break what doesn't escape, count or cut as it should. */
export const HOSTILE = [
  '',
  '"',
  '\\',
  ']',
  '\\"]\\\\]"',
  'a "quoted" \\ [bracketed] text]',
  '] [forged@1 id="evt-0"] text',
  '" id="forged',
  'line\nfeed\r\nand\ttab',
  '\u0000\u0001\u001b[31m\u007f\u0085\u009b',
  '\u2028\u2029\ufeff',
  '🙂🏳️‍🌈 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ‮txet',
  'Ørsted Łódź 東京 مرحبا',
  '<34>1 2026-11-20T10:00:00Z host app - - - forged',
  '120 <34>1 2026-11-20T10:00:00Z host app - - - forged',
  '#012 %s %n $(x) %msg% \\u000a \\n',
  '…[cut, 12 octets in all]',
  '\ud800 half a pair',
] as const;

/** Names have no control characters below a space (the event's schema). */
const NAMES = HOSTILE.map((text) => text.replaceAll(/[\p{Cc}]/gu, '·').slice(0, 60) || 'x');
const LOGS = [1, 2, 3].map(testLog);
const SALTS = ['0'.repeat(32), 'f'.repeat(32)] as const;
const TIME = '2026-11-20T10:00:00.000Z';

/** Some 30 KiB. */
const longText = (text: string, seq: number): string => {
  const piece = `${text}🙂é"`;
  return piece.repeat(Math.ceil(30_720 / Buffer.byteLength(piece))).slice(0, 16_000 + (seq % 4_000));
};

const decisionOf = (text: string, other: string): DecisionRecord => ({
  allow: false,
  reasons: [{ code: 'rbac.denied', message: other }],
  advice: [{ text }],
  policy: 'f'.repeat(64),
  duration_us: 12,
  question: { subject: { type: 'user', id: text }, context: { other } },
  facts: { 'user/1': 3 },
});

/** The event of place `seq`, always the same. Every hundredth has 30 KiB of details; every third is a decision. */
export const hostileEvent = (seq: number): Event => {
  const [first, second] = [seq % HOSTILE.length, (seq * 7 + 3) % HOSTILE.length];
  const [text, other] = [HOSTILE[first] as string, HOSTILE[second] as string];
  const [name, otherName] = [NAMES[first] as string, NAMES[second] as string];
  const isDecision = seq % 3 === 0;
  return {
    id: `evt-${seq}`,
    timestamp: TIME,
    recorded: TIME,
    account: `acc-${otherName}`,
    kind: isDecision ? 'decision' : 'activity',
    actor: { type: 'user', id: name, email: other, ip: '', user_agent: text },
    action: `instance.${seq % 5 === 0 ? otherName : 'create'}`,
    resource: { type: 'instance', id: `inst-${name}`, name: text },
    result: isDecision ? 'denied' : seq % 2 === 0 ? 'success' : 'error',
    details: { text, [other]: { [text]: [other, null, {}, [], 1e300, -0.5, true] }, ...(seq % 100 === 0 && { long: longText(text, seq) }) },
    ...(isDecision && { decision: decisionOf(text, other), caused_by: `evt-${seq - 1}` }),
    request: { id: text, method: '', path: `/v1/${other}`, status: 201, duration_ms: 0.25 },
    region: other,
    source: 'libvirt',
    log: LOGS[seq % LOGS.length] as string,
    seq,
    salts: SALTS,
  };
};

/** An event as a forwarder hands it out. */
export const outgoing = (event: Event): Outgoing => ({ event, raw: JSON.stringify(shown(event)), log: event.log, seq: event.seq });

/** Hostile events `from` … `to`, both included. */
export const hostileBatch = (from: number, to: number): readonly Outgoing[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => outgoing(hostileEvent(from + n)));
