/** Which allowed decisions stand behind a change that a platform reports. */
export type Authority = {
  /** Decisions on this very resource for one of these actions … */
  readonly exact: readonly string[];
  /** … or on any resource of the type in the same account (`*` where it has no id yet), or on the account itself, for one of these. */
  readonly anywhere: readonly string[];
  /** It also stands where this change of the same resource was reported in the same time, which is looked at by itself. */
  readonly follows?: string;
};

const exactly = (...exact: readonly string[]): Authority => ({ exact, anywhere: [] });

/** Actions that stop and start an instance on their way, in the shipped catalogue's names. */
const RESTARTS = ['instance.reboot', 'instance.reset', 'instance.resize', 'instance.rebuild', 'instance.migrate', 'instance.rescue', 'instance.unrescue'];

/** Actions that may change an instance's definition. */
const REDEFINES = [
  'instance.update',
  'instance.rename',
  'instance.tag',
  'instance.untag',
  'instance.start',
  'instance.reset_password',
  'drive.attach',
  'drive.detach',
  'volume.attach',
  'volume.detach',
  'firewall.attach',
  'firewall.detach',
];

/**
 * One act of a platform shows in several changes: who may delete an instance has it stopped, and who creates one has it
 * started. A creation is asked for before there is an id.
 */
const AUTHORITIES: Readonly<Record<string, Authority>> = {
  'instance.create': {
    exact: ['instance.create', 'instance.import', 'instance.clone', 'instance.rebuild', 'instance.rename', 'instance.migrate'],
    anywhere: ['instance.create', 'instance.import', 'instance.clone'],
  },
  'instance.start': { exact: ['instance.start', 'instance.resume', 'instance.create', ...RESTARTS], anywhere: [], follows: 'instance.create' },
  'instance.stop': exactly('instance.stop', 'instance.delete', 'instance.suspend', ...RESTARTS),
  'instance.suspend': exactly('instance.suspend', 'instance.stop', 'instance.clone', 'instance.migrate', 'snapshot.create', 'backup.create'),
  'instance.resume': exactly('instance.resume', 'instance.start', 'instance.clone', 'snapshot.create', 'backup.create', ...RESTARTS),
  'instance.delete': exactly('instance.delete', 'instance.rebuild', 'instance.migrate'),
  'instance.update': exactly(...REDEFINES, ...RESTARTS),
  'instance.rename': exactly('instance.rename', 'instance.update'),
};

/** Names that no policy decides on: the guest's own doings and what may be either, and Verdict's own findings. */
const NOBODYS = /^(libvirt\.domain|collector|platform|entity)\./;
/** Reads change nothing. */
const READS = /\.(list|get|view|read|read_log|download)$/;

/** What must have been decided before this change; undefined for what is no change that anybody is asked about. Another action than the known ones needs a decision on the same. */
export const authorityOf = (action: string): Authority | undefined => {
  if (NOBODYS.test(action) || READS.test(action)) return undefined;
  return Object.hasOwn(AUTHORITIES, action) ? AUTHORITIES[action] : exactly(action);
};
