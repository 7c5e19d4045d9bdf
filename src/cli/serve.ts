import { Command } from 'commander';
import type { Listening } from '../main.js';
import { collectOption } from './collect-option.js';
import { playDemo } from './demo.js';

/** `verdict serve`: the only command that starts a node. Its parts are loaded only here, so that the others start fast. */
export const serveCommand = (): Command =>
  new Command('serve')
    .description('start a node')
    .option('--demo', 'fill an empty node with the sample platform and a day of its traffic')
    .option('--config <file>', 'the configuration file (VERDICT_CONFIG; verdict.yaml)')
    .addOption(collectOption())
    .addHelpText(
      'after',
      `
Examples:
  $ verdict serve
  $ verdict serve --demo
  $ VERDICT_HTTP_PORT=9000 VERDICT_DATA_DIR=/var/lib/verdict verdict serve
  $ verdict serve --collect libvirt
  $ verdict serve --config /etc/verdict/verdict.yaml`,
    )
    .action(async ({ demo, config, collect }: { readonly demo?: boolean; readonly config?: string; readonly collect?: readonly string[] }) => {
      const { serve } = await import('../main.js');
      const print = (line: string): boolean => process.stdout.write(`${line}\n`);
      const play = (node: Listening) => playDemo({ ...node, log: print });
      await serve({ ...(collect && { collect }), ...(config !== undefined && { configPath: config }), ...(demo && { onListening: play }) });
    });
