export { COMPRESSIONS, type Compression } from './compress.js';
export { CSV_COLUMNS, csvLine } from './csv.js';
export type { ConfigSchema, Destination, DestinationFormat, SenderDeps } from './destination.js';
export { type Export, type ExporterConfig, type ExportOptions, type Manifest, newExporter } from './export.js';
export { EXPORT_FORMATS, type ExportFormat } from './files.js';
export { EVENT_FORMAT_NAMES, EVENT_FORMATS, type EventFormat, type EventFormatName, eventFormat, FIELD_NAMES } from './formats/index.js';
export {
  type ArchivedFile,
  type Belongings,
  type ExportJob,
  exportRunner,
  hasEnded,
  type JobFolder,
  type JobManifest,
  type JobState,
  jobFolder,
  type Part,
} from './jobs/index.js';
export { writeParts } from './jobs/write-parts.js';
export type { Dial, Outgoing, Sender, Sent, Step } from './sender.js';
export { openS3, S3_PROPERTIES, type S3Access, SENDERS, WEBHOOK_SECRET, webhookHeaders, webhookKey } from './senders/index.js';
export { shownLine } from './shown-line.js';
export { PROTOCOLS, type SyslogConfig, type SyslogDeps, syslog, syslogLine, syslogSchema, syslogSender } from './syslog/index.js';
