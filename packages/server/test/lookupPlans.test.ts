import { createHash } from 'node:crypto';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTenant, type Tx } from '../src/store/database.js';
import { readProvenMembers } from '../src/store/members.js';
import { readKeyedLeaves, readRevisions, readRunsAt } from '../src/store/runs.js';
import { readStepsAt } from '../src/store/steps.js';
import { fillLeaves, fillRuns, LEAVES_A_RUN } from './listLoad.js';
import { type Cost, explaining } from './planCost.js';

const RUNS = 5_000;
/** A full page. */
const ASKED = 100;
/** Rows read for one that is asked for: of a run its row, its leaf and its names; nothing of the others. */
const ROWS_EACH = 8;
const LOAD_MS = 120_000;
const TENANT = '11111111-1111-4111-8111-111111111111';
const TABLES = ['leaf', 'llm_run_records', 'run_names', 'run_members'].map((table) => `sworn.${table}`);
const SIZE = RUNS * LEAVES_A_RUN;

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await fillRuns(t, TENANT, RUNS);
  await fillLeaves(t, TENANT, RUNS);
}, LOAD_MS);
afterAll(() => t.drop());

/** From the newest of the log, which a plan that walks it comes to last. */
const newest = <T>(of: (run: number) => T): T[] => Array.from({ length: ASKED }, (_, i) => of(RUNS - 1 - i));
const runIdOf = (run: number) => run.toString(16).padStart(32, '0');
const keyOf = (index: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(index));
  return createHash('sha256').update(bytes).digest();
};

/** What reads of a page look up, and how many they find. */
const LOOKUPS: [what: string, found: number, look: (tx: Tx) => Promise<{ readonly length: number }>][] = [
  [
    'runs by leaf',
    ASKED,
    (tx) =>
      readRunsAt(
        tx,
        TENANT,
        'llm-runs',
        newest((run) => run * LEAVES_A_RUN),
      ),
  ],
  ['the revisions of a run', 3, (tx) => readRevisions(tx, TENANT, 'llm-runs', runIdOf(5), ASKED)],
  [
    'leaves by event key',
    ASKED,
    (tx) =>
      readKeyedLeaves(
        tx,
        TENANT,
        'llm-runs',
        newest((n) => keyOf(n * LEAVES_A_RUN)),
      ),
  ],
  ['one by event key', 1, (tx) => readKeyedLeaves(tx, TENANT, 'llm-runs', [keyOf(SIZE - 1)])],
  [
    'event keys of none',
    0,
    (tx) =>
      readKeyedLeaves(
        tx,
        TENANT,
        'llm-runs',
        newest((n) => keyOf(n + SIZE)),
      ),
  ],
  [
    'members by trace',
    ASKED,
    (tx) => readProvenMembers(tx, TENANT, 'llm-runs', { traceIds: newest((n) => n).map(runIdOf), below: SIZE }),
  ],
  [
    'steps by leaf',
    ASKED,
    (tx) =>
      readStepsAt(
        tx,
        TENANT,
        'llm-runs',
        newest((run) => run * LEAVES_A_RUN + 5),
      ),
  ],
];

describe.each(['before there are statistics', 'with statistics'])('%s', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  test.each(LOOKUPS)('%s are looked up one by one, and nothing else is read', async (_, found, look) => {
    for (const inIndexOrder of [true, false]) {
      const cost: Cost = { rows: 0, sequential: [] };
      const rows = await inTenant(t.db, 'reader', TENANT, (tx) => look(explaining(tx, cost)), {
        readOnly: true,
        snapshot: true,
        inIndexOrder,
      });
      expect(rows.length).toBe(found);
      // Nothing is signed here: an empty table is scanned in no time.
      expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
      expect(cost.rows).toBeLessThanOrEqual(ROWS_EACH * Math.max(found, 1));
    }
  });
});
