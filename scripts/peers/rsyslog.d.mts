/** Where rsyslogd is, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const rsyslogPeer: () => { readonly command: string; readonly reason?: never } | { readonly command?: never; readonly reason: string };

/** A port of the loopback that nobody listens on. */
export const freePort: () => Promise<number>;

export type RsyslogOptions = {
  /** Its configuration, its output and what it received are here. */
  readonly folder: string;
  readonly protocol: 'udp' | 'tcp' | 'tls' | 'relp' | 'relp-tls';
  /** Files (PEM), for tls and relp-tls. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** The name that a client's certificate must have; `none` (where it isn't given): no certificate is asked for. */
  readonly clients?: string;
  /** Parameters of main_queue; rsyslog's own, in memory, where it isn't given. */
  readonly mainQueue?: string;
  readonly port?: number;
  /** A command in front of rsyslogd, such as taskset. */
  readonly pinned?: readonly string[];
};

/** A running rsyslogd. */
export type Rsyslog = {
  readonly port: number;
  readonly pid: () => number | undefined;
  /** What it received: a file for each of its lives. */
  readonly files: () => readonly string[];
  /** Starts it again, after a kill. */
  readonly begin: () => Promise<void>;
  /** Ends it; resolves when it is gone. SIGKILL where nothing else is said. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Lets it stand still: its connections stay open, and it reads nothing. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it for good, in order: it writes what it still has. */
  readonly stop: () => Promise<void>;
};

/** Starts a private rsyslogd on a free port of the loopback. Throws where it can't be had, or says on standard error why it doesn't start. */
export const startRsyslog: (options: RsyslogOptions) => Promise<Rsyslog>;
