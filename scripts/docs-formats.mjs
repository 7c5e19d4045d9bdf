// docs/formats.md, from the formats themselves, and the settings in docs/integrations/, from the schemas. `npm run docs` writes both.

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (key) => `\`${key}\``;
const place = ({ to, note }) => (note ? `${code(to)} (${note})` : code(to));

const row = (field, formats) => `| ${code(field)} | ${formats.map(({ mapping }) => cell(mapping[field].map(place).join(', '))).join(' | ')} |`;
const beside = ({ title, beside: rows }) =>
  rows.map(({ key, value }) => `| ${title} | ${cell(key === 'header' ? 'the header' : code(key))} | ${cell(value)} |`);

/** docs/formats.md for these formats, by their names. */
export const renderFormats = (formats, fields) => {
  const named = Object.entries(formats);
  const mapped = named.filter(([name]) => name !== 'json').map(([, format]) => format);
  return `# Formats

Made by \`npm run docs\` from \`src/export/formats/\`; a test proves that it is current.

An event leaves Verdict in one of these forms: in a forwarder's feed, and with \`ocsf\` and \`cef\` as a file (\`GET /v1/audit-logs/export?format=ocsf\`). Each is one line. Each takes any event, and none has its salts. \`json\` is the record itself, byte for byte as it was recorded; the others say the same in other places, and a field that an event doesn't have is left out.

| name | what it is | version | a line is |
| --- | --- | --- | --- |
${named.map(([name, { title, version, isJson }]) => `| ${code(name)} | ${title} | ${version} | ${isJson ? 'JSON' : 'text'} |`).join('\n')}

## Where each field goes

\`[]\` is the first of a list. What a place can't hold (an address that is none, in a field for addresses) goes to the place behind it that says so, or is in the whole event.

| field | ${mapped.map(({ title }) => title).join(' | ')} |
| --- | ${mapped.map(() => '---').join(' | ')} |
${fields.map((field) => row(field, mapped)).join('\n')}

## What else is in them

| format | key | value |
| --- | --- | --- |
${mapped.flatMap(beside).join('\n')}

## How texts are written

- **JSON** escapes whatever has to be. A line is one object, without line breaks.
- **CEF**: in the header \`\\\` and \`|\` are escaped with \`\\\`; in the extension \`\\\` and \`=\` are, and line breaks are \`\\n\` and \`\\r\`. Other control characters become spaces: CEF has no way to write them. Nothing is cut, though ArcSight's own dictionary gives lengths: a collector may cut.
- **LEEF**: the pairs stand between tabs (\`x09\` in the header). LEEF has no escaping: a tab or line break in a value is written \`\\t\`, \`\\n\`, \`\\r\`, other control characters become spaces, and a \`|\` in the action becomes \`_\` in the header (\`action\` has it as it is).
- **ECS**: \`details\`, \`decision.question\`, \`decision.facts\` and \`decision.advice\` are JSON as text. As objects, each new key would be a field of the index, and two events with different types under one key would refuse one of them.
- **OCSF**: what the schema has no place for is under \`unmapped\`. A decision is class 6003 whatever was asked: nobody logged in, and nothing changed, because it was allowed. A test holds each event against the classes' and objects' attributes, required ones, types, enumerations and profiles, as the published schema has them.
`;
};

const kind = ({ type, enum: values, minimum, maximum, items }) => {
  if (values) return values.join(', ');
  const range = minimum === undefined ? '' : ` ${minimum} to ${maximum}`;
  return `${type === 'array' ? `list of ${items.type}` : type}${range}`;
};
const fallback = ({ default: value }) => (value === undefined ? '' : value === '' ? '(empty)' : code(String(value)));

const settings = ({ properties, required = [] }, path = []) =>
  Object.entries(properties).flatMap(([name, schema]) => {
    const key = [...path, name].join('.');
    const must = [required.includes(name) ? 'required' : '', schema['x-secret'] ? 'secret' : ''].filter(Boolean).join(', ');
    const own = `| ${code(key)} | ${cell(kind(schema))} | ${must} | ${fallback(schema)} | ${cell(schema.description)} |`;
    return [own, ...(schema.properties ? settings(schema, [...path, name]) : [])];
  });

/** The settings of a destination, as a table. Those marked as secrets are encrypted where they are kept, and never shown. */
export const renderSettings = ({ schema }) => `| setting | type | | default | what it is |
| --- | --- | --- | --- | --- |
${settings(schema).join('\n')}
`;

const BEGIN = '<!-- settings -->\n';
const END = '<!-- end of settings -->';

/** A page with its settings as the schema has them. */
export const withSettings = (page, destination) => {
  const [before, rest] = page.split(BEGIN);
  return `${before}${BEGIN}${renderSettings(destination)}${END}${rest.split(END)[1]}`;
};
