import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { EXIT, Failure } from './failure.js';

/** One line of an NDJSON file that holds something, with its number from 1. */
export type Line = { readonly number: number; readonly text: string };

/** The lines of a file (`-`: standard input), empty ones left out. */
export async function* readLines(file: string): AsyncGenerator<Line> {
  const input = file === '-' ? process.stdin : createReadStream(file, 'utf8');
  const opened = new Promise<void>((resolve, reject) => {
    if (file === '-') return resolve();
    input.once('open', () => resolve());
    input.once('error', (error: Error) => reject(new Failure(EXIT.usage, `${file} can't be read: ${error.message}.`)));
  });
  await opened;
  let number = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (text.trim() !== '') yield { number, text };
  }
}

/** Groups of at most `size`, in order. */
export async function* groupsOf<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}
