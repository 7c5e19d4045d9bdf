import type { Event } from '../../event/index.js';
import type { EventFormat } from './format.js';
import { flatten, type Mapping } from './place.js';
import { PRODUCT } from './product.js';
import { address, millis, noAddress, reasonText, SEVERITY } from './words.js';

const BREAKS: { readonly [character: string]: string } = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** LEEF knows no escaping: tabs and line breaks, which end a value or the event, are written `\t`, `\n`, `\r`; other control characters become spaces. */
const valueText = (text: string): string => (/\p{Cc}/u.test(text) ? text.replaceAll(/\p{Cc}/gu, (character) => BREAKS[character] ?? ' ') : text);
/** A pipe can't stand in the header. */
const headerText = (text: string): string => valueText(text).replaceAll('|', '_');

const MAPPING: Mapping = {
  id: [{ to: 'id' }],
  timestamp: [{ to: 'devTime', as: millis, note: 'milliseconds since 1970' }],
  recorded: [{ to: 'recorded' }],
  account: [{ to: 'accountName' }],
  kind: [{ to: 'kind' }],
  'actor.type': [{ to: 'actorType' }],
  'actor.id': [{ to: 'usrName' }],
  'actor.email': [{ to: 'actorEmail' }],
  'actor.ip': [
    { to: 'src', as: address, note: 'an address' },
    { to: 'actorIp', as: noAddress, note: 'anything else' },
  ],
  'actor.user_agent': [{ to: 'userAgent' }],
  action: [{ to: 'action' }],
  'resource.type': [{ to: 'resourceType' }],
  'resource.id': [{ to: 'resource' }],
  'resource.name': [{ to: 'resourceName' }],
  result: [{ to: 'cat' }],
  details: [{ to: 'details', note: 'as JSON' }],
  'decision.allow': [{ to: 'decisionAllow' }],
  'decision.reasons': [
    { to: 'reason', as: reasonText, note: '`code: message; …`' },
    { to: 'decisionReasons', note: 'as JSON' },
  ],
  'decision.advice': [{ to: 'decisionAdvice', note: 'as JSON' }],
  'decision.policy': [{ to: 'policy' }],
  'decision.duration_us': [{ to: 'decisionDurationUs' }],
  'decision.question': [{ to: 'decisionQuestion', note: 'as JSON' }],
  'decision.facts': [{ to: 'decisionFacts', note: 'as JSON' }],
  caused_by: [{ to: 'causedBy' }],
  'request.id': [{ to: 'requestId' }],
  'request.method': [{ to: 'requestMethod' }],
  'request.path': [{ to: 'url' }],
  'request.status': [{ to: 'requestStatus' }],
  'request.duration_ms': [{ to: 'requestDurationMs' }],
  region: [{ to: 'region' }],
  source: [{ to: 'source' }],
  log: [{ to: 'log' }],
  seq: [{ to: 'seq' }],
};

const line = (event: Event): string => {
  const header = ['Verdict', 'Verdict', PRODUCT.version(), headerText(event.action), 'x09'].join('|');
  const pairs = [['sev', String(SEVERITY[event.result])] as const, ...flatten(MAPPING, event)];
  return `LEEF:2.0|${header}|${pairs.map(([key, value]) => `${key}=${valueText(value)}`).join('\t')}`;
};

/** IBM QRadar's Log Event Extended Format 2.0; the pairs stand between tabs (`x09`). */
export const leef: EventFormat = {
  title: 'LEEF',
  version: '2.0',
  contentType: 'text/plain; charset=utf-8',
  isJson: false,
  line: ({ event }) => line(event),
  mapping: MAPPING,
  beside: [
    { key: 'header', value: '`LEEF:2.0|Verdict|Verdict|<version>|<action>|x09|`; a pipe in the action becomes `_`' },
    {
      key: 'sev',
      value: Object.entries(SEVERITY)
        .map(([result, severity]) => `${result} ${severity}`)
        .join(', '),
    },
  ],
};
