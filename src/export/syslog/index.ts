export { layoutOf, PROTOCOLS, type Protocol, type SyslogConfig, syslogSchema } from './config.js';
export { syslog } from './destination.js';
export { type Facility, type Layout, newLineMaker, syslogLine } from './layout.js';
export { type SyslogDeps, syslogSender } from './syslog-sender.js';
