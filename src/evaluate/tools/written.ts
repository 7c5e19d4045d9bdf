import type { ErrorObject, ValidateFunction } from 'ajv';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { sayError } from '../../event/index.js';

/** A file that people wrote and that can't be used. The message names the file, the place in it and the mistake. */
export class WrittenError extends Error {
  override readonly name = 'WrittenError';
}

/** A YAML or JSON text (JSON is YAML 1.2) with the lines that its values stand on. */
export type Written = { readonly value: unknown; readonly lineOf: (path: readonly (string | number)[]) => number | undefined };

const nodeAt = (document: Document, path: readonly (string | number)[]): { readonly range?: readonly number[] | null } | undefined =>
  (path.length === 0 ? document.contents : document.getIn(path, true)) as { readonly range?: readonly number[] | null } | undefined;

/** Reads YAML or JSON. Throws {@link WrittenError}, with the line, if it is neither. */
export const readWritten = (text: string, file: string): Written => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error) throw new WrittenError(`${file}:${lines.linePos(error.pos[0]).line}: ${error.message.split('\n', 1)[0]?.replace(/ at line .*$/, '')}.`);
  const lineOf = (path: readonly (string | number)[]): number | undefined => {
    // A value that is missing stands nowhere: its parent is where the eye should go.
    for (let length = path.length; length >= 0; length--) {
      const start = nodeAt(document, path.slice(0, length))?.range?.[0];
      if (start !== undefined) return lines.linePos(start).line;
    }
    return undefined;
  };
  return { value: document.toJS() as unknown, lineOf };
};

const pathOf = ({ instancePath }: ErrorObject): readonly (string | number)[] =>
  instancePath
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));

/** Throws {@link WrittenError} unless the value at `path` is what the schema wants; `what` names the value in the sentence. */
export const expectValid = (
  validate: ValidateFunction,
  value: unknown,
  at: { readonly file: string; readonly written: Written; readonly path: readonly (string | number)[]; readonly what: string },
): void => {
  if (validate(value)) return;
  const [error] = validate.errors as readonly ErrorObject[];
  const line = at.written.lineOf([...at.path, ...pathOf(error as ErrorObject)]);
  throw new WrittenError(`${at.file}${line === undefined ? '' : `:${line}`}: ${sayError(validate.errors, at.what)}`);
};
