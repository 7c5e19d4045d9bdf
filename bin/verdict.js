#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/cli/index.js', import.meta.url);
const isBuilt = existsSync(entry) && existsSync(new URL('../node_modules/commander', import.meta.url));
if (isBuilt) {
  const { main } = await import(entry.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error('Verdict is not built yet: run `npm install && npm run build` in its folder.');
  process.exitCode = 1;
}
