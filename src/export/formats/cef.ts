import { isIPv4, isIPv6 } from 'node:net';
import type { Event } from '../../event/index.js';
import type { EventFormat } from './format.js';
import { flatten, type Mapping } from './place.js';
import { PRODUCT } from './product.js';
import { address, millis, noAddress, reasonText, SEVERITY, summary } from './words.js';

/** A line break that can't be one in a header, nor can other control characters. */
const CONTROLS = /\p{Cc}/gu;

/** CEF's header: backslash and pipe are escaped, line breaks can't be (Implementation Standard, "Character encoding"). */
const headerText = (text: string): string => text.replaceAll(/[\\|]/g, '\\$&').replaceAll(CONTROLS, ' ');

/** Most texts have none of these. */
const SPECIAL = /[\\=\p{Cc}]/u;
const ESCAPES: { readonly [character: string]: string } = { '\\': '\\\\', '=': '\\=', '\n': '\\n', '\r': '\\r' };
/** CEF's extension: backslash, equal sign and line breaks are escaped; other control characters become spaces. */
const extensionText = (text: string): string =>
  SPECIAL.test(text) ? text.replaceAll(/[\\=\n\r]/g, (character) => ESCAPES[character] as string).replaceAll(CONTROLS, ' ') : text;

/** `cs1=… cs1Label=…`: the labels of the numbered keys, written where the key is. */
const LABELS: { readonly [key: string]: string } = {
  cs1: 'account',
  cs2: 'actorType',
  cs3: 'resourceType',
  cs4: 'resourceId',
  cs5: 'resourceName',
  cs6: 'policy',
  cn1: 'httpStatus',
  cn2: 'seq',
  c6a2: 'Source IPv6 Address',
  deviceCustomDate1: 'recorded',
};

const MAPPING: Mapping = {
  id: [{ to: 'externalId' }],
  timestamp: [{ to: 'rt', as: millis, note: 'milliseconds since 1970' }],
  recorded: [{ to: 'deviceCustomDate1', as: millis, note: 'milliseconds since 1970' }],
  account: [{ to: 'cs1' }],
  kind: [{ to: 'cat' }],
  'actor.type': [{ to: 'cs2' }],
  'actor.id': [{ to: 'suid' }],
  'actor.email': [{ to: 'suser' }],
  'actor.ip': [
    { to: 'src', as: (ip) => (isIPv4(ip as string) ? ip : undefined), note: 'an IPv4 address' },
    { to: 'c6a2', as: (ip) => (isIPv6(ip as string) ? address(ip) : undefined), note: 'an IPv6 address' },
    { to: 'VerdictActorIp', as: noAddress, note: 'anything else' },
  ],
  'actor.user_agent': [{ to: 'requestClientApplication' }],
  action: [{ to: 'act' }],
  'resource.type': [{ to: 'cs3' }],
  'resource.id': [{ to: 'cs4' }],
  'resource.name': [{ to: 'cs5' }],
  result: [{ to: 'outcome' }],
  details: [{ to: 'VerdictDetails', note: 'as JSON' }],
  'decision.allow': [{ to: 'VerdictDecisionAllow' }],
  'decision.reasons': [
    { to: 'reason', as: reasonText, note: '`code: message; …`' },
    { to: 'VerdictDecisionReasons', note: 'as JSON' },
  ],
  'decision.advice': [{ to: 'VerdictDecisionAdvice', note: 'as JSON' }],
  'decision.policy': [{ to: 'cs6' }],
  'decision.duration_us': [{ to: 'VerdictDecisionDurationUs' }],
  'decision.question': [{ to: 'VerdictDecisionQuestion', note: 'as JSON' }],
  'decision.facts': [{ to: 'VerdictDecisionFacts', note: 'as JSON' }],
  caused_by: [{ to: 'VerdictCausedBy' }],
  'request.id': [{ to: 'VerdictRequestId' }],
  'request.method': [{ to: 'requestMethod' }],
  'request.path': [{ to: 'request' }],
  'request.status': [{ to: 'cn1' }],
  'request.duration_ms': [{ to: 'VerdictRequestDurationMs' }],
  region: [{ to: 'VerdictRegion' }],
  source: [{ to: 'deviceProcessName' }],
  log: [{ to: 'VerdictLog' }],
  seq: [{ to: 'cn2' }],
};

const labelled = (key: string, value: string): string => {
  const label = LABELS[key];
  return label === undefined ? `${key}=${extensionText(value)}` : `${key}=${extensionText(value)} ${key}Label=${label}`;
};

const line = (event: Event): string => {
  const header = [PRODUCT.vendor, PRODUCT.name, PRODUCT.version(), event.action, summary(event)].map(headerText).join('|');
  const extension = flatten(MAPPING, event).map(([key, value]) => labelled(key, value));
  return `CEF:0|${header}|${SEVERITY[event.result]}|${extension.join(' ')}`;
};

/** ArcSight's Common Event Format, header version 0. */
export const cef: EventFormat = {
  title: 'CEF',
  version: '0',
  contentType: 'text/plain; charset=utf-8',
  isJson: false,
  line: ({ event }) => line(event),
  mapping: MAPPING,
  beside: [
    { key: 'header', value: '`CEF:0|Verdict|Verdict|<version>|<action>|<one line for people>|<severity>`' },
    {
      key: 'severity',
      value: Object.entries(SEVERITY)
        .map(([result, severity]) => `${result} ${severity}`)
        .join(', '),
    },
    ...Object.entries(LABELS).map(([key, label]) => ({ key: `${key}Label`, value: label })),
  ],
};
