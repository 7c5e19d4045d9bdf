import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const client = fileURLToPath(new URL('./src/client/', import.meta.url));

export default defineConfig({
  // The examples import the package by its name; the sources are what is tested.
  resolve: {
    alias: [
      { find: /^verdict\/client$/, replacement: `${client}index.ts` },
      { find: /^verdict\/client\/(\w+)$/, replacement: `${client}$1.ts` },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
  },
});
