// Has rsyslog ready for the tests and the bench: Debian's packages, installed where this is Debian and the user is root.
// Run by itself it prints the path of rsyslogd, or how to get what is missing (exit code 1 with CI=true).
import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { debianCommand } from './debian.mjs';

const PACKAGES = ['rsyslog', 'rsyslog-gnutls', 'rsyslog-relp'];
const MODULES = ['lmnsd_gtls.so', 'imrelp.so', 'mmpstrucdata.so'];
/** Where Debian and others keep rsyslog's modules. */
const FOLDERS = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '.'].map((name) => `/usr/lib/${name}/rsyslog`);
const READY_MS = 20_000;

/**
 * Where rsyslogd is. `{ command }`, or `{ reason }`: a sentence that says what is missing and how to get it.
 * With CI=true what is missing is thrown.
 */
export const rsyslogPeer = () => {
  const hasModules = () => FOLDERS.some((folder) => MODULES.every((module) => existsSync(join(folder, module))));
  const command = debianCommand('rsyslogd', PACKAGES, hasModules);
  return command === undefined
    ? { reason: `Tests with rsyslog are left out: install ${PACKAGES.join(' ')} (Debian: apt-get install ${PACKAGES.join(' ')}).` }
    : { command };
};

/** Below the range of outgoing ports, so that nothing takes it while rsyslog is down. */
export const freePort = async () => {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const isFree = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
};

const tlsGlobals = ({ ca, cert, key }) =>
  `DefaultNetstreamDriverCAFile="${ca}" DefaultNetstreamDriverCertFile="${cert}" DefaultNetstreamDriverKeyFile="${key}"`;

const inputOf = ({ protocol, port, tls, clients }) => {
  const where = `port="${port}" address="127.0.0.1" ruleset="received"`;
  switch (protocol) {
    case 'udp':
      // The TCP listener is there to see when it is ready.
      return `module(load="imudp")\nmodule(load="imtcp")\ninput(type="imudp" ${where} rcvbufSize="8m")\ninput(type="imtcp" ${where})`;
    case 'tcp':
      return `module(load="imtcp" maxFrameSize="200000")\ninput(type="imtcp" ${where})`;
    case 'tls': {
      const mode = clients === 'none' ? 'StreamDriver.AuthMode="anon"' : `StreamDriver.AuthMode="x509/name" PermittedPeer=["${clients}"]`;
      return `module(load="imtcp" maxFrameSize="200000" StreamDriver.Name="gtls" StreamDriver.Mode="1" ${mode})\ninput(type="imtcp" ${where})`;
    }
    case 'relp':
      return `module(load="imrelp" ruleset="received")\ninput(type="imrelp" port="${port}" address="127.0.0.1" maxDataSize="200k")`;
    case 'relp-tls':
      return `module(load="imrelp" ruleset="received")\ninput(type="imrelp" port="${port}" address="127.0.0.1" maxDataSize="200k" tls="on" tls.caCert="${tls.ca}" tls.myCert="${tls.cert}" tls.myPrivKey="${tls.key}" tls.authMode="name" tls.permittedPeer=["${clients}"])`;
  }
};

/** Writes each message as it came, after what mmpstrucdata made of its structured data (JSON, which has no tab of its own) and a tab. */
const configuration = (
  options,
  file,
) => `global(workDirectory="${options.folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off" net.enableDNS="off" ${options.protocol === 'tls' ? tlsGlobals(options.tls) : ''})
${options.mainQueue === undefined ? '' : `main_queue(${options.mainQueue})`}
module(load="mmpstrucdata")
${inputOf(options)}
template(name="whole" type="string" string="%$!rfc5424-sd%\\t%rawmsg%\\n")
ruleset(name="received") {
  action(type="mmpstrucdata")
  action(type="omfile" file="${file}" template="whole")
}
`;

const isListening = (port) =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/**
 * Starts a private rsyslogd in `folder`, on a free port of the loopback. Each of its lives writes a file of its own
 * (`received-1.log`, …), since SIGKILL may cut the last line. See rsyslog.d.mts.
 */
export const startRsyslog = async (given) => {
  const { command, reason } = rsyslogPeer();
  if (command === undefined) throw new Error(reason);
  const options = { clients: 'none', ...given, port: given.port ?? (await freePort()) };
  const output = join(options.folder, 'rsyslog-output.log');
  const files = [];
  let child;
  let exited;

  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const killNow = () => child?.kill('SIGKILL');
  const begin = async () => {
    const life = files.length + 1;
    const file = join(options.folder, `received-${life}.log`);
    const conf = join(options.folder, `rsyslog-${life}.conf`);
    files.push(file);
    writeFileSync(file, '');
    writeFileSync(conf, configuration(options, file));
    const log = openSync(output, 'a');
    const [run, ...args] = [...(options.pinned ?? []), command, '-n', '-C', '-f', conf, '-i', join(options.folder, 'rsyslog.pid')];
    child = spawn(run, args, { cwd: options.folder, stdio: ['ignore', log, log] });
    exited = new Promise((resolve) => child.once('exit', resolve));
    for (const end = Date.now() + READY_MS; !(await isListening(options.port)); await sleep(20))
      if (ended() || Date.now() > end) throw new Error(`rsyslogd did not start:\n${readFileSync(output, 'utf8').slice(-2000)}`);
  };

  process.once('exit', killNow);
  await begin();
  return {
    port: options.port,
    pid: () => child.pid,
    files: () => files,
    begin,
    kill: async (signal = 'SIGKILL') => {
      if (!ended()) child.kill(signal);
      await exited;
    },
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: async () => {
      process.off('exit', killNow);
      // One that stands still ends by nothing else.
      child.kill('SIGCONT');
      if (!ended()) child.kill('SIGTERM');
      await Promise.race([exited, sleep(10_000).then(killNow)]);
      await exited;
    },
  };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const { command, reason } = rsyslogPeer();
    console.log(command ?? reason);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
