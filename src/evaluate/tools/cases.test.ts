import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseCases, parseEntities, parseQuestion, readCases } from './index.js';

const question = '{ subject: { type: user, id: usr-1 }, action: { name: instance.get }, resource: { type: instance, id: inst-1 } }';
const answer = '{ allow: true, reasons: [{ code: rbac.role }] }';
const fileOf = (one: string): string => `directory: []\ncases:\n${one}`;

/** The sentence that a text is refused with. */
const refusal = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    expect((error as Error).name).toBe('WrittenError');
    return (error as Error).message;
  }
  return 'It was taken.';
};

describe('a file of cases', () => {
  const refused = (one: string): string => refusal(() => parseCases(fileOf(one), 'my.yaml'));

  test('holds a directory and cases, with the caller and the clock where they matter', () => {
    const more = 'caller: { accounts: [acc-1], permissions: [decision.evaluate] }, now: "2026-11-22T04:03:48Z"';
    const { cases } = parseCases(fileOf(`  - { name: a, question: ${question}, answer: ${answer}, ${more} }`), 'my.yaml');
    expect(cases[0]).toMatchObject({ name: 'a', caller: { accounts: ['acc-1'] }, now: '2026-11-22T04:03:48Z' });
  });

  test('that can’t be used is refused with file, line, case and mistake', () => {
    expect(refused(`  - { name: a, answer: ${answer} }`)).toBe(`my.yaml:3: case "a" must have required property 'question'.`);
    expect(refused(`  - name: a\n    question: ${question}\n    answer: { allow: perhaps, reasons: [] }`)).toBe(
      'my.yaml:5: case "a".answer.allow must be boolean.',
    );
    expect(refused(`  - name: a\n    question: ${question}\n    answer: ${answer}\n    nwo: x`)).toBe(
      'my.yaml:3: case "a" must NOT have additional properties ("nwo").',
    );
    expect(refused(`  - name: a\n    question: ${question}\n    answer: ${answer}\n    now: yesterday`)).toMatch(
      /^my\.yaml:6: case "a"\.now must match format/,
    );
    expect(refused(`  - { question: ${question}, answer: ${answer} }`)).toBe(`my.yaml:3: case 1 must have required property 'name'.`);
    expect(refused('  - 7')).toBe('my.yaml:3: file.cases.0 must be object.');
  });

  test('is refused where a permission doesn’t exist, or two cases have one name', () => {
    expect(refused(`  - { name: a, question: ${question}, answer: ${answer}, caller: { permissions: [decision.assrt] } }`)).toMatch(
      /permissions\.0 must be equal/,
    );
    const twice = `  - { name: a, question: ${question}, answer: ${answer} }\n`;
    expect(refused(twice + twice)).toBe('my.yaml:4: two cases are named "a".');
  });

  test('is refused where it is no YAML, or something else', () => {
    expect(refusal(() => parseCases('directory: [\ncases: }', 'my.yaml'))).toMatch(/^my\.yaml:2: /);
    expect(refusal(() => parseCases('- a', 'my.yaml'))).toBe('my.yaml:1: file must be object.');
    expect(refusal(() => parseCases('directory: [{ type: user, id: usr-1 }]\ncases: []', 'my.yaml'))).toBe(
      `my.yaml:1: file.directory.0 must have required property 'properties'.`,
    );
  });
});

describe('a folder of cases', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verdict-cases-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('is read in order of the files’ names', async () => {
    for (const name of ['b.yaml', 'a.yml', 'c.txt']) await writeFile(join(folder, name), fileOf(`  - { name: a, question: ${question}, answer: ${answer} }`));
    expect((await readCases(folder)).map(({ file }) => file)).toEqual([join(folder, 'a.yml'), join(folder, 'b.yaml')]);
  });

  test('that is empty or missing is refused', async () => {
    await expect(readCases(folder)).rejects.toThrow(/has no cases/);
    await expect(readCases(join(folder, 'nowhere'))).rejects.toThrow(/nowhere is not a folder of cases/);
  });
});

describe('a file for one question', () => {
  test('is JSON or YAML, and nothing else than a question', () => {
    expect(parseQuestion(question, 'q.yaml')).toEqual(parseQuestion(JSON.stringify(parseQuestion(question, 'q.yaml')), 'q.json'));
    expect(refusal(() => parseQuestion('{\n"subject": { "type": "user" } }', 'q.json'))).toMatch(/^q\.json:\d: question must have required property 'action'/);
  });

  test('goes with a directory: a list, a file of cases, or NDJSON', () => {
    const list = '- { type: user, id: usr-1, properties: { email: a@example.com } }';
    const [entity] = parseEntities(list, 'e.yaml');
    expect(parseEntities(`directory:\n  ${list}\ncases: []`, 'e.yaml')).toEqual([entity]);
    expect(parseEntities(`${JSON.stringify(entity)}\n\n${JSON.stringify(entity)}\n`, 'e.ndjson')).toEqual([entity, entity]);
    expect(refusal(() => parseEntities('\n{"type":"user"}', 'e.ndjson'))).toMatch(/^e\.ndjson, line 2:1: entity must have/);
    expect(refusal(() => parseEntities('- { type: user, id: usr-1 }', 'e.yaml'))).toBe(`e.yaml:1: entity must have required property 'properties'.`);
    expect(refusal(() => parseEntities('a: 1', 'e.yaml'))).toBe('e.yaml:1: file must be array.');
  });
});
