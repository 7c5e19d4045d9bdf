import { Command } from 'commander';
import { loadConfig } from '../config.js';
import { makeBackup, nearPath } from './backup.js';
import { usage } from './failure.js';
import { remark } from './output.js';
import { restoreBackup } from './restore.js';
import { counted } from './text.js';

type FolderOptions = { readonly dataDir?: string };

const folderOf = ({ dataDir }: FolderOptions): string => dataDir ?? loadConfig(process.env).config.data_dir;

const FOLDER = ['--data-dir <folder>', "the node's data folder (VERDICT_DATA_DIR; data_dir of verdict.yaml; ./data)"] as const;

const backup = async (options: FolderOptions & { readonly output?: string }): Promise<void> => {
  // Not commander's own check: it would ask for it before `restore`, too.
  if (options.output === undefined) throw usage('Say where the backup goes: --output FILE, or --output FOLDER/.');
  const { file, manifest } = await makeBackup(folderOf(options), options.output);
  const bytes = manifest.files.reduce((sum, one) => sum + one.bytes, 0);
  remark(
    `${counted(manifest.files.length, 'file')}, ${(bytes / 1e6).toFixed(1)} MB, of node ${manifest.node} in ${nearPath(file)}. It holds credentials: keep it as you keep them.`,
  );
  if (!manifest.files.some(({ path }) => path.startsWith('store/')))
    remark("This node's store is a ClickHouse server: back that up with ClickHouse's own BACKUP.");
};

const restore = async (file: string, options: FolderOptions): Promise<void> => {
  const folder = folderOf(options);
  const manifest = await restoreBackup(file, folder);
  remark(`${counted(manifest.files.length, 'file')} of node ${manifest.node}, as of ${manifest.made}, in ${folder}. Start it with \`verdict serve\`.`);
};

/** `verdict backup`: one archive of all that a node keeps. Works on the data folder itself, on the node's machine. */
export const backupCommand = (): Command => {
  const command = new Command('backup')
    .description('write all that a node keeps (journal, directory, keys, embedded store) into one archive; the node may run')
    .option('--output <file>', 'the archive (.tar, or .tar.gz to compress it), or a folder to put a new one in')
    .option(...FOLDER)
    .addHelpText(
      'after',
      `
Examples:
  $ verdict backup --output verdict.tar
  $ verdict backup --output /var/backups/verdict/
  $ verdict backup restore verdict.tar --data-dir /var/lib/verdict`,
    )
    .action(backup);
  command.addCommand(
    new Command('restore')
      .argument('<file>', 'an archive that `verdict backup` wrote')
      .description('fill an empty data folder from a backup, after checking all of it')
      .option(...FOLDER)
      .addHelpText('after', '\nExamples:\n  $ verdict backup restore verdict.tar\n  $ verdict backup restore verdict.tar.gz --data-dir /var/lib/verdict')
      .action((file: string, options: FolderOptions, own: Command) => restore(file, { ...options, ...own.optsWithGlobals<FolderOptions>() })),
  );
  return command;
};
