import { defineConfig } from 'vitest/config';

/** Tests talk to real PostgreSQL and real sockets; two workers are what two cores carry without one starving the other. */
export default defineConfig({
  cacheDir: '.cache/vitest',
  test: {
    include: ['packages/*/test/**/*.test.ts', 'testkit/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});
