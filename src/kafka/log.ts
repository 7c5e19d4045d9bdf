import { type logCreator, logLevel } from 'kafkajs';
import type { Level, Logger } from 'pino';

/** What happens in every start, failover or rebalance and mends itself: said at `debug`. */
const NOISE = [
  /coordinator is (loading|not available)/i,
  /the group is rebalancing/i,
  /not aware of this member/i,
  /not the correct coordinator/i,
  /not the leader for that topic-partition/i,
  /no leader for this topic-partition/i,
  /connection error|connection timeout|closed connection|failed to connect/i,
  /limiting retries for the idempotent producer/i,
  /offset out of range, resetting/i,
  /failed to send messages/i,
  /does not host this topic-partition/i,
];

/** kafkajs calls anything an error that it then tries again; what stays wrong is said by who uses the client. */
const LEVELS: ReadonlyMap<logLevel, Level> = new Map([
  [logLevel.ERROR, 'warn'],
  [logLevel.WARN, 'info'],
  [logLevel.INFO, 'debug'],
  [logLevel.DEBUG, 'trace'],
]);

/** How much kafkajs has to say, so that nothing is built that pino would drop. */
export const logLevelFor = (log: Logger): logLevel => {
  if (log.isLevelEnabled('trace')) return logLevel.DEBUG;
  if (log.isLevelEnabled('debug')) return logLevel.INFO;
  return log.isLevelEnabled('info') ? logLevel.WARN : logLevel.ERROR;
};

/** Carries kafkajs's log entries over to pino. */
export const logBridge =
  (log: Logger): logCreator =>
  () =>
  ({ namespace, level, log: entry }) => {
    const { message, timestamp: _timestamp, logger: _logger, stack: _stack, error, broker, groupId } = entry;
    const level_ = NOISE.some((pattern) => pattern.test(message) || pattern.test(String(error))) ? 'debug' : (LEVELS.get(level) ?? 'debug');
    log[level_]({ part: `kafka.${namespace}`, ...(broker && { broker }), ...(groupId && { group: groupId }), ...(error && { why: String(error) }) }, message);
  };
