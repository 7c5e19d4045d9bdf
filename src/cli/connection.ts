import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config.js';
import { type Client, createClient } from './client.js';

/** The options of every command that talks to a running node. */
export type ConnectionOptions = { readonly url?: string; readonly token?: string; readonly ca?: string; readonly cert?: string; readonly key?: string };

export const DEFAULT_URL = 'http://127.0.0.1:8088';

/** Adds the options that say which node to talk to, and with what. */
export const withConnection = (command: Command): Command =>
  command
    .option('--url <url>', `the node's address (VERDICT_URL; ${DEFAULT_URL})`)
    .option('--token <token>', "the bearer token (VERDICT_TOKEN; the data folder's admin-token where it can be read)")
    .option('--ca <file>', 'PEM file with the authorities to trust for https')
    .option('--cert <file>', 'PEM file with a client certificate, for mTLS')
    .option('--key <file>', "PEM file with the client certificate's private key");

/** The admin token of the node on this machine: the configuration's own, else the data folder's; empty where there is none to read. */
const localToken = (): string => {
  try {
    const { admin_token: own, data_dir } = loadConfig(process.env).config;
    return own || readFileSync(join(data_dir, 'admin-token'), 'utf8').trim();
  } catch {
    // No folder, no right to read it, or a configuration that is broken: the node will say that a credential is missing.
    return '';
  }
};

/** A client for the node that the options and the environment name. */
export const connect = (options: ConnectionOptions): Client => {
  const { ca, cert, key } = options;
  return createClient({
    url: options.url ?? (process.env['VERDICT_URL'] || DEFAULT_URL),
    token: options.token ?? (process.env['VERDICT_TOKEN'] || localToken()),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
};
