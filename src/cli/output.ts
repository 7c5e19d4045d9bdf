import Table from 'cli-table3';
import { Option } from 'commander';
import { harmless } from './text.js';

/** How a command shows what it found: a table for people, JSON for programs. */
export type Output = 'table' | 'json';

export const outputOption = (): Option =>
  new Option('-o, --output <form>', 'a table for people, or JSON for programs').choices(['table', 'json']).default('table');

export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
};

/** Remarks, progress and what is no result go to stderr, so that stdout can be piped. */
export const remark = (sentence: string): void => {
  process.stderr.write(`${harmless(sentence)}\n`);
};

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  return harmless(typeof value === 'string' ? value : JSON.stringify(value));
};

/** A table of rows under heads; without rows, the sentence `empty`. */
export const printTable = (head: readonly string[], rows: readonly (readonly unknown[])[], empty: string): void => {
  if (rows.length === 0) {
    remark(empty);
    return;
  }
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push(row.map(cell));
  process.stdout.write(`${table.toString()}\n`);
};

/** One thing's fields, a line each. */
export const printFields = (fields: readonly (readonly [name: string, value: unknown])[]): void => {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) process.stdout.write(`${name.padEnd(width)}  ${cell(value)}\n`);
};
