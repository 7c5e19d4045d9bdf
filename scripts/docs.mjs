// Writes docs/configuration.md from the schema of the configuration, docs/formats.md from the formats, and the tables of
// docs/syslog.md and of the destinations' pages from their code. Runs on the compiled product: `npm run docs` builds it first.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { renderFormats, withSettings } from './docs-formats.mjs';

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

const defaultOf = ({ default: value, isSecret }) => {
  if (value === undefined) return '';
  if (value === '' || (typeof value === 'object' && Object.keys(value).length === 0)) return isSecret ? '(none)' : '(empty)';
  return `\`${Array.isArray(value) ? value.join(',') : value}\``;
};

const row = (setting) => {
  const { path, variable, type, range, description } = setting;
  return `| \`${path.join('.')}\` | \`${variable}\` | ${[type, range].filter(Boolean).map(cell).join(': ')} | ${defaultOf(setting)} | ${cell(description)} |`;
};

const items = (settings) => settings.map(({ name, fallback, description }) => `| \`${name}\` | ${fallback} | ${cell(description)} |`).join('\n');

/** docs/configuration.md for these settings. */
export const renderConfiguration = (settings, { issuers, endUserIssuers, verificationKeys }) => `# Configuration

Made by \`npm run docs\` from \`src/config.ts\`; a test proves that it is current.

Each key of \`verdict.yaml\` (in the folder that Verdict starts in, or where \`VERDICT_CONFIG\` or \`--config\` says) is also a variable: \`VERDICT_\` and its path in capitals. A variable wins over the file. An unknown key in the file or an invalid value stops the start, naming it; an unknown \`VERDICT_*\` variable is a warning. Lists are written with commas in a variable (\`a:9092,b:9092\`), or as JSON.

\`verdict config\` shows what is in force and where it comes from, \`verdict config check\` says whether a node could start with it, \`verdict config schema\` prints the JSON Schema. \`VERDICT_URL\` and \`VERDICT_TOKEN\` are for the other commands: the node to talk to, and the credential.

| key | variable | type | default | what it does |
| --- | --- | --- | --- | --- |
${settings.map(row).join('\n')}

## An example

\`\`\`yaml
data_dir: /var/lib/verdict
http:
  host: 0.0.0.0
  tls: { cert: /etc/verdict/tls.pem, key: /etc/verdict/tls-key.pem }
auth:
  issuers:
    - issuer: https://login.example
      audience: verdict
      jwks: https://login.example/.well-known/jwks.json
      algorithms: [ES256]
kafka:
  brokers: [kafka-1:9093, kafka-2:9093, kafka-3:9093]
  tls: { enabled: true, ca: /etc/verdict/kafka-ca.pem }
  sasl: { mechanism: scram-sha-512, username: verdict }  # the password: VERDICT_KAFKA_SASL_PASSWORD
policy:
  bundle: https://bundles.example/verdict.tar.gz  # the token: VERDICT_POLICY_TOKEN
  verification_keys:
    release-2026: { algorithm: EdDSA, key: /etc/verdict/policy-release.pem }
clickhouse:
  url: https://clickhouse:8443
  username: verdict  # the password: VERDICT_CLICKHOUSE_PASSWORD
\`\`\`

## Issuers of JWTs

Each of \`auth.issuers\` has:

| key | default | what it is |
| --- | --- | --- |
${items(issuers)}

## Issuers of end users' JWTs

Each of \`end_users.issuers\` has:

| key | default | what it is |
| --- | --- | --- |
${items(endUserIssuers)}

## Keys that bundles are signed with

Each of \`policy.verification_keys\` has:

| key | default | what it is |
| --- | --- | --- |
${items(verificationKeys)}
`;

const rangeOf = ({ enum: values, type, minimum, maximum }) => {
  if (values) return values.map((value) => `\`${value}\``).join(', ');
  return minimum === undefined ? type : `${type}, ${minimum} to ${maximum}`;
};

const settingRows = (properties, prefix = '') =>
  Object.entries(properties).flatMap(([name, property]) =>
    property.properties
      ? settingRows(property.properties, `${prefix}${name}.`)
      : [
          `| \`${prefix}${name}\` | ${rangeOf(property)} | ${property.default === undefined ? '' : `\`${property.default}\``} | ${cell(property.description)}${property['x-secret'] ? ' A secret: never shown.' : ''} |`,
        ],
  );

const between = (text, name, table) =>
  text.replace(new RegExp(`(<!-- ${name}: [^>]*-->\\n)[\\s\\S]*?(<!-- end -->)`), (_, begin, end) => `${begin}${table}\n${end}`);

/** docs/syslog.md with its tables as these fields and this schema have them. */
export const renderSyslog = (text, fields, schema) => {
  const parameters = fields.map(({ name, of }) => `| \`${name}\` | ${of} |`).join('\n');
  const filled = between(text, 'fields', `| parameter | of the event |\n| --- | --- |\n${parameters}`);
  return between(filled, 'settings', `| key | values | default | what it is |\n| --- | --- | --- | --- |\n${settingRows(schema.properties).join('\n')}`);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { listedSettings, settings } = await import('../dist/cli/settings.js');
  const file = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
  writeFileSync(file, renderConfiguration(settings(), listedSettings()));
  console.log(`${file} is written.`);
  const { FIELDS } = await import('../dist/export/syslog/fields.js');
  const { syslogSchema } = await import('../dist/export/index.js');
  const syslog = fileURLToPath(new URL('../docs/syslog.md', import.meta.url));
  writeFileSync(syslog, renderSyslog(readFileSync(syslog, 'utf8'), FIELDS, syslogSchema));
  console.log(`${syslog} is written.`);
  const { EVENT_FORMATS, FIELD_NAMES, SENDERS } = await import('../dist/export/index.js');
  const formats = fileURLToPath(new URL('../docs/formats.md', import.meta.url));
  writeFileSync(formats, renderFormats(EVENT_FORMATS, FIELD_NAMES));
  console.log(`${formats} is written.`);
  for (const destination of SENDERS) {
    const page = fileURLToPath(new URL(`../docs/integrations/${destination.type}.md`, import.meta.url));
    writeFileSync(page, withSettings(readFileSync(page, 'utf8'), destination));
    console.log(`${page} has its settings.`);
  }
}
