import { Option } from 'commander';

/** `--collect <source>`, which may be given again: for every command that starts a node. Its value goes to `serve` as `collect`. */
export const collectOption = (): Option =>
  new Option('--collect <source>', 'also watch this and record what happens there: libvirt (collect.sources); may be given again').argParser(
    (one: string, all: readonly string[] = []) => [...all, one],
  );
