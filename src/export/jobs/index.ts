export { type JobFolder, jobFolder } from './folder.js';
export type { ArchivedFile } from './job.js';
export { type ExportJob, hasEnded, type JobManifest, type JobState, type Part } from './job.js';
export { exportRunner, type RunnerConfig, type RunnerDeps } from './runner.js';
export type { Belongings } from './write-archive.js';
