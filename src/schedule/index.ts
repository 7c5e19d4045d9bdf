export { type ExportSchedule, SCHEDULE_TYPE } from './definition.js';
export { redactSchedule, type ScheduleDesk, type ScheduleOutcome, type ScheduleWish, type ShownSchedule, scheduleDesk } from './desk.js';
export { scheduleRunner } from './runner.js';
