import type { Destination } from '../destination.js';
import { eventFormat } from '../formats/index.js';
import { type SyslogConfig, syslogSchema } from './config.js';
import { syslogSender } from './syslog-sender.js';

/** Syslog over every protocol. Whatever the form, a message is RFC 5424: it says what stands as the message's text. */
export const syslog: Destination = {
  type: 'syslog',
  schema: syslogSchema as unknown as Destination['schema'],
  formats: ['rfc5424', 'cef', 'leef', 'ocsf', 'ecs', 'cloudevents'],
  make: (config, { dial, format }) => {
    const { line } = eventFormat(format === 'rfc5424' ? 'json' : format);
    // Its clock is for spans, and so the process's own: what `deps` has may be set.
    return syslogSender(config as unknown as SyslogConfig, { dial, text: line });
  },
};
