import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests talk to real PostgreSQL and real sockets; two workers are what two cores carry without one starving the other. */
export default defineConfig({
  cacheDir: '.cache/vitest',
  resolve: {
    // The sources, so that a test and the kit it uses share one copy of every class.
    alias: {
      '@sworn/server': source('packages/server/src/index.ts'),
      '@sworn/testkit': source('testkit/src/index.ts'),
    },
  },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'testkit/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    globalSetup: ['testkit/src/globalSetup.ts'],
    pool: 'forks',
    // Files of one worker share what they import: loading it anew for each took a third of the time. No file changes what others see.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});
