import { Command } from 'commander';
import { buildCommand } from './build.js';
import { checkCommand } from './check.js';
import { diffCommand } from './diff.js';
import { evalCommand } from './eval.js';
import { testCommand } from './test.js';

/** `verdict policy`: from Rego to the bundle that a node decides by. Needs OPA, found or built. */
export const policyCommand = (): Command => {
  const command = new Command('policy').description('write, check, test, ask, compare and build policies');
  for (const child of [buildCommand(), checkCommand(), testCommand(), evalCommand(), diffCommand()]) command.addCommand(child);
  return command;
};
