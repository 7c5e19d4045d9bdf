import { newAjv } from '../../event/index.js';
import type { WrittenEntity } from '../directory/fixed.js';
import type { Question } from '../question.js';
import { entitySchema, questionSchema } from './case-schema.js';
import { expectValid, readWritten, type Written } from './written.js';

const ajv = newAjv();
const isQuestion = ajv.compile<Question>(questionSchema);
const isEntity = ajv.compile<WrittenEntity>(entitySchema);
const isList = ajv.compile<readonly unknown[]>({ type: 'array' });

/** Reads one question from JSON or YAML. Throws WrittenError, which names file, line and mistake. */
export const parseQuestion = (text: string, file: string): Question => {
  const written = readWritten(text, file);
  expectValid(isQuestion, written.value, { file, written, path: [], what: 'question' });
  return written.value as Question;
};

const entityAt = (written: Written, value: unknown, file: string, path: readonly (string | number)[]): WrittenEntity => {
  expectValid(isEntity, value, { file, written, path, what: 'entity' });
  return value as WrittenEntity;
};

const entityOfLine = (line: string, index: number, file: string): readonly WrittenEntity[] => {
  if (line.trim() === '') return [];
  const place = `${file}, line ${index + 1}`;
  const written = readWritten(line, place);
  return [entityAt(written, written.value, place, [])];
};

/**
 * Reads the entities of a directory: a list of them, or a file of cases (its `directory`), in YAML or JSON; or NDJSON
 * where the file's name ends so. Throws WrittenError, which names file, line and mistake.
 */
export const parseEntities = (text: string, file: string): readonly WrittenEntity[] => {
  if (file.endsWith('.ndjson')) return text.split('\n').flatMap((line, index) => entityOfLine(line, index, file));
  const written = readWritten(text, file);
  const holder = (written.value as { readonly directory?: unknown } | null)?.directory;
  const path = holder === undefined ? [] : ['directory'];
  const list = holder ?? written.value;
  expectValid(isList, list, { file, written, path, what: path[0] ?? 'file' });
  return (list as readonly unknown[]).map((one, index) => entityAt(written, one, file, [...path, index]));
};
