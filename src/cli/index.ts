import { Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { auditLogsCommand } from './audit-logs.js';
import { backupCommand } from './backup-command.js';
import { configCommand } from './config-command.js';
import { entitiesCommand } from './entities.js';
import { exportsCommand } from './exports.js';
import { EXIT, Failure } from './failure.js';
import { forwardersCommand } from './forwarders.js';
import { gatewayCommand } from './gateway.js';
import { keysCommand } from './keys.js';
import { policyCommand } from './policy/index.js';
import { serveCommand } from './serve.js';
import { harmless } from './text.js';

export { type Client, createClient } from './client.js';
export { groupsOf, readLines } from './ndjson.js';

/** The whole command line. Nothing runs until it is parsed. */
export const createProgram = (): Command => {
  const program = new Command('verdict')
    .description('Policy decision point and audit trail of a KVM cloud.')
    .version(version())
    .showHelpAfterError('(add --help for what there is)')
    .addHelpText(
      'after',
      `
Examples:
  $ verdict serve --demo
  $ verdict audit-logs list --event instance.delete --limit 50
  $ verdict keys create --name control-plane --all-accounts --permission decision.evaluate

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no node reached, 4 refused, 5 not found, 6 a check failed.`,
    );
  const commands = [
    serveCommand(),
    gatewayCommand(),
    configCommand(),
    entitiesCommand(),
    keysCommand(),
    policyCommand(),
    auditLogsCommand(),
    exportsCommand(),
    forwardersCommand(),
    backupCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  strict(program);
  return program;
};

/** Errors of usage become exceptions in every command, and extra arguments are errors. */
const strict = (command: Command): void => {
  command.exitOverride().allowExcessArguments(false).configureHelp({ sortSubcommands: false });
  command.showHelpAfterError('(add --help for what there is)');
  for (const child of command.commands) strict(child);
};

const exitOf = (error: unknown): number => {
  if (error instanceof CommanderError) {
    const isHelp = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
    return isHelp ? EXIT.ok : EXIT.usage;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${harmless(message)}\n`);
  return error instanceof Failure ? error.exit : EXIT.failed;
};

/** Runs one command line (without `node` and the script); resolves with the exit code. */
export const main = async (args: readonly string[]): Promise<number> => {
  // A reader that has enough (`verdict … | head`) is no error, but for an export: that one ends before it comes to this.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    return exitOf(error);
  }
};
