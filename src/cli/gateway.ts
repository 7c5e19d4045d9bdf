import { resolve } from 'node:path';
import { Command } from 'commander';
import { isUrl, loadConfig } from '../config.js';
import type { Listening } from '../main.js';
import { collectOption } from './collect-option.js';
import { playDemo } from './demo.js';
import { EXIT, Failure } from './failure.js';

type Options = {
  readonly upstream?: string;
  readonly routes?: string;
  readonly demo?: boolean;
  readonly config?: string;
  readonly collect?: readonly string[];
};

/** `verdict gateway`: a node whose decision workers also stand in front of an API, on an address of its own. */
export const gatewayCommand = (): Command =>
  new Command('gateway')
    .description('start a node that stands before an API as an enforcing reverse proxy')
    .option('--upstream <url>', 'the API behind the gateway: http(s)://host:port (VERDICT_GATEWAY_UPSTREAM)')
    .option('--routes <file>', "the route table, or the upstream's OpenAPI document as a file or URL (VERDICT_ROUTES_FILE)")
    .option('--demo', 'fill an empty node with the sample platform and a day of its traffic')
    .option('--config <file>', 'the configuration file (VERDICT_CONFIG; verdict.yaml)')
    .addOption(collectOption())
    .addHelpText(
      'after',
      `
Examples:
  $ verdict gateway --upstream http://127.0.0.1:3000 --routes routes.yaml
  $ verdict gateway --upstream http://127.0.0.1:3000 --routes http://127.0.0.1:3000/openapi.json
  $ verdict gateway --upstream http://127.0.0.1:9000 --routes routes.yaml --collect libvirt
  $ VERDICT_GATEWAY_PORT=80 verdict gateway --config /etc/verdict/verdict.yaml

The gateway listens on gateway.host and gateway.port (127.0.0.1:8089), the API of Verdict on http.host and http.port.`,
    )
    .action(async ({ upstream, routes, demo, config, collect }: Options) => {
      // As variables they win over the file, like any other setting that is given for one start.
      if (upstream !== undefined) process.env['VERDICT_GATEWAY_UPSTREAM'] = upstream;
      if (routes !== undefined) process.env['VERDICT_ROUTES_FILE'] = isUrl(routes) ? routes : resolve(routes);
      if (loadConfig(process.env, config).config.gateway.upstream === '')
        throw new Failure(EXIT.usage, 'A gateway needs the API that it stands before: give --upstream http://host:port, or set gateway.upstream.');
      const { serve } = await import('../main.js');
      const print = (line: string): boolean => process.stdout.write(`${line}\n`);
      const play = (node: Listening) => playDemo({ ...node, log: print });
      await serve({ ...(collect && { collect }), ...(config !== undefined && { configPath: config }), ...(demo && { onListening: play }) });
    });
