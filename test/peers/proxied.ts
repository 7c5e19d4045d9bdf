import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createSocketServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from './verdict.js';

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((done, failed) => {
    const server = createSocketServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

/** What reached the service behind the proxy. */
export type Reached = { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** A service that answers 200 with what reached it, and remembers it. */
const startService = async (): Promise<{ readonly port: number; readonly reached: Reached[]; readonly server: Server }> => {
  const reached: Reached[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') };
      reached.push(seen);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(seen));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, reached, server };
};

/** A node with two people in an account: one who may do all, one who may only look; each with a token; and a service. */
export type Scene = {
  readonly node: RunningVerdict;
  readonly client: ReturnType<typeof clientOf>;
  /** Restarts the node on its ports. */
  readonly restart: () => Promise<void>;
  readonly service: { readonly port: number; readonly reached: Reached[] };
  readonly grpcPort: number;
  /** The proxy's key. */
  readonly key: string;
  readonly owner: string;
  readonly viewer: string;
  readonly revoked: string;
  readonly stop: () => Promise<void>;
};

export const ROUTES = resolve(import.meta.dirname, '../fixtures/proxies/routes.yaml');
const hash = (token: string): string => createHash('sha256').update(token).digest('hex');

export const startScene = async (env: Readonly<Record<string, string>> = {}): Promise<Scene> => {
  const folder = temporaryFolder();
  const [service, grpcPort, port] = [await startService(), await freePort(), await freePort()];
  const all = {
    VERDICT_HTTP_PORT: String(port),
    VERDICT_HTTP_TRUSTED_PROXIES: '127.0.0.1',
    VERDICT_ROUTES_FILE: ROUTES,
    VERDICT_EXT_AUTHZ_GRPC_PORT: String(grpcPort),
    ...env,
  };
  let node = await startVerdict({ folder, env: all });
  const client = clientOf(node);
  const put = (type: string, id: string, properties: object, account?: string): Promise<unknown> =>
    client.json('PUT', `/v1/entities/${type}/${encodeURIComponent(id)}`, { properties, ...(account && { account }) });
  const token = async (id: string, owner: string, more: object = {}): Promise<string> => {
    const secret = `plat_${randomBytes(16).toString('hex')}`;
    await put('token', id, { owner, hash: hash(secret), scope: 'admin', ...more }, 'acc-1');
    return secret;
  };
  await put('account', 'acc-1', { access_models: ['roles'] });
  for (const [id, role] of [
    ['usr-owner', 'owner'],
    ['usr-viewer', 'viewer'],
  ] as const) {
    await put('user', id, { email: `${id}@acme.example`, two_factor: { methods: ['totp'] } });
    await put('membership', `acc-1:${id}`, { role, groups: [] }, 'acc-1');
  }
  await put('instance', 'inst-1', { name: 'web-1' }, 'acc-1');
  await put('instance', 'inst-2', { name: 'web-2' }, 'acc-1');
  await put('instance', 'inst-other', { name: 'other' }, 'acc-2');
  const owner = await token('tok-owner', 'usr-owner');
  const viewer = await token('tok-viewer', 'usr-viewer');
  const revoked = await token('tok-revoked', 'usr-owner', { revoked: true });
  type Made = { readonly data: { readonly secret: string } };
  const made = await client.json<Made>('POST', '/v1/keys', { name: 'edge-proxy', accounts: 'all', permissions: ['decision.evaluate'] });
  return {
    get node() {
      return node;
    },
    client,
    restart: async () => {
      node = await startVerdict({ folder, env: all });
    },
    service,
    grpcPort,
    key: made.data.secret,
    owner,
    viewer,
    revoked,
    stop: async () => {
      client.close();
      service.server.closeAllConnections();
      service.server.close();
      if (node.child.exitCode === null) await node.stop();
      removeFolder(folder);
    },
  };
};

/** The how-manieth block of that language in a guide of docs/integrations, with the scene's addresses and key in place of the guide's. */
export const configOf = (page: string, language: string, index: number, { node, service, grpcPort, key }: Scene, port: number): string => {
  const text = readFileSync(resolve(import.meta.dirname, '../../docs/integrations', page), 'utf8');
  const block = [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))][index]?.[1];
  if (block === undefined) throw new Error(`docs/integrations/${page} has no ${index + 1}. block of ${language}.`);
  const verdict = new URL(node.url).port;
  return block
    .replaceAll(/(127\.0\.0\.1:|port_value: )(9000|8088|9191)\b/g, (_, before: string, which: string) =>
      before.concat(which === '9000' ? String(service.port) : which === '8088' ? verdict : String(grpcPort)),
    )
    .replaceAll(/(listen |:\/\/:|port_value: )8080\b/g, `$1${port}`)
    .replaceAll(/(?<!env\.)VERDICT_KEY/g, key);
};

export type RunningProxy = { readonly port: number; readonly output: () => string; readonly stop: () => Promise<void> };

/** Starts a proxy; resolves when its port takes connections. Rejects with what it said where it ends instead. */
export const startProxy = async (command: string, args: readonly string[], port: number, env: Readonly<Record<string, string>> = {}): Promise<RunningProxy> => {
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      output += part.toString();
    });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await until(
    `${command} to listen on ${port}`,
    async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended with code ${child.exitCode}:\n${output}`);
      return (await isOpen(port)) || undefined;
    },
    20_000,
  );
  return {
    port,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      await Promise.race([ended, sleep(3_000, undefined, { ref: false })]);
      child.kill('SIGKILL');
      await ended;
    },
  };
};

const isOpen = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });

export type RawAnswer = { readonly status: number; readonly head: string; readonly body: string };

/** Sends a request over its own connection exactly as it is written: clients normalise paths, attackers don't. */
export const sendRaw = (port: number, method: string, target: string, headers: readonly string[] = [], body = ''): Promise<RawAnswer> =>
  new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error(`No answer to ${method} ${target} within 10 s.`)));
    socket.on('data', (part: Buffer) => {
      text += part.toString('utf8');
    });
    socket.once('error', failed);
    socket.once('close', () => {
      const [head = '', ...rest] = text.split('\r\n\r\n');
      done({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body: rest.join('\r\n\r\n') });
    });
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: api.example', 'Connection: close', ...headers];
    if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  });
