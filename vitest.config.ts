import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Files that take a minute or more on a slow machine, whatever their size, by which vitest would go. They are begun first: one of them that is
 * begun last is waited for by a worker that has nothing else to do.
 */
const LONGEST = [
  'contract',
  'tamper',
  'sealerDeath',
  'tenancy',
  'metadataWalk',
  'recordOwners',
  'readsStoreNothing',
  'auditPlans',
  'listPlans',
  'lookupPlans',
  'recover',
  'faultPair',
  'faultDatabase',
  'slowSenders',
  'grpcFloods',
  'clockJumps',
]
  .map((name) => `/packages/server/test/${name}.test.ts`)
  .concat('/packages/cli/test/exportLong.test.ts');

const IS_MEASURED = process.env['SWORN_TEST_STATEMENTS'] !== undefined;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const turn = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((path) => moduleId.endsWith(path));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => turn(a) - turn(b));
  }
}

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
    // Which statements each file sends: one file at a time, or nobody knows whose they are.
    setupFiles: IS_MEASURED ? ['testkit/src/statements.ts'] : [],
    pool: 'forks',
    // Files of one worker share what they import: loading it anew for each took a third of the time. No file changes what others see.
    isolate: false,
    maxWorkers: IS_MEASURED ? 1 : 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});
