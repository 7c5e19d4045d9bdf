export { COMPRESSIONS, type Compression } from './compress.js';
export { CSV_COLUMNS, csvLine } from './csv.js';
export { type Export, type ExporterConfig, type ExportOptions, type Manifest, newExporter } from './export.js';
export { EXPORT_FORMATS, type ExportFormat } from './formats.js';
export { type ExportJob, exportRunner, hasEnded, type JobFolder, type JobManifest, type JobState, jobFolder, type Part } from './jobs/index.js';
export { shownLine } from './shown-line.js';
