import { createHash } from 'node:crypto';
import { hex } from '@sworn/evidence';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTenant, type Tx } from '../src/store/database.js';
import { readCome } from '../src/store/sealedEvents.js';
import {
  readFirstTraces,
  readMembersOfTraces,
  readProvenMembers,
  readRunsOfTraces,
  readTracesOfRuns,
} from '../src/store/members.js';
import { readKeyedLeaves, readRevisions, readRunsAt } from '../src/store/runs.js';
import { findRunsBefore } from '../src/store/runsBefore.js';
import { findRuns, readLeavesAt, readTraceIndexes, readTraceLeaves, readTracesBegun } from '../src/store/sealing.js';
import { readStepsAt } from '../src/store/steps.js';
import { fillLeaves, fillRuns, LEAVES_A_RUN } from './listLoad.js';
import { type Cost, explaining } from './planCost.js';

const RUNS = 5_000;
/** A full page. */
const ASKED = 100;
/** Blocks read for one: the way down an index and the row, for each table. */
const BLOCKS_EACH = 60;
/** Rows read for one that is asked for: of a run its rows, its leaves and its names; nothing of the others. */
const ROWS_EACH = LEAVES_A_RUN;
const LOAD_MS = 120_000;
const TENANT = '11111111-1111-4111-8111-111111111111';
const TABLES = ['leaf', 'llm_run_records', 'run_names', 'run_members'].map((table) => `sworn.${table}`);
const SIZE = RUNS * LEAVES_A_RUN;

/** What the planner knows when this tenant's rows come: nothing; of a few rows that others have in another log; of all. */
const KNOWN = ['nothing', 'a few rows of others', 'all'] as const;

/** When statistics are made is the test's to say. */
async function fillKnowing(known: (typeof KNOWN)[number]): Promise<TestDatabase> {
  const t = await testDatabase();
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  const analyze = () => t.admin(`analyze ${TABLES.join(', ')}`);
  if (known === 'a few rows of others') {
    const other = '22222222-2222-4222-8222-222222222222';
    await fillRuns(t, other, 20);
    await fillLeaves(t, other, 20);
    await t.admin('set session_replication_role = replica');
    await t.admin(`update sworn.leaf set log = 'control'`);
    await t.admin('set session_replication_role = origin');
    await analyze();
  }
  await fillRuns(t, TENANT, RUNS);
  await fillLeaves(t, TENANT, RUNS);
  if (known === 'all') await analyze();
  return t;
}

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

/** What the sealer looks up, by `lookUp`. */
const SEALERS: typeof LOOKUPS = [
  // Those whose last revision has its leaf below SIZE.
  [
    'the newest revisions of runs',
    ASKED,
    (tx) =>
      findRuns(
        tx,
        TENANT,
        'llm-runs',
        newest((run) => runIdOf(run - 20)),
      ),
  ],
  [
    'leaves by index',
    ASKED,
    (tx) =>
      readLeavesAt(
        tx,
        TENANT,
        'llm-runs',
        newest((run) => run * LEAVES_A_RUN),
      ),
  ],
  [
    'first leaves of traces',
    ASKED,
    (tx) => readTracesBegun(tx, TENANT, 'llm-runs', { traceIds: newest(runIdOf), below: SIZE, limit: 1 }),
  ],
  [
    'members by trace, of the sealer',
    ASKED,
    (tx) => readMembersOfTraces(tx, TENANT, 'llm-runs', { traceIds: newest(runIdOf), below: SIZE }),
  ],
  ['traces by run', ASKED, (tx) => readTracesOfRuns(tx, TENANT, 'llm-runs', { runIds: newest(runIdOf), below: SIZE })],
  ['runs by trace', ASKED, (tx) => readRunsOfTraces(tx, TENANT, 'llm-runs', newest(runIdOf))],
  [
    'steps that came, by event key',
    ASKED,
    (tx) =>
      readCome(tx, TENANT, 'llm-runs', { keys: newest((n) => hex(keyOf(n * LEAVES_A_RUN))), below: SIZE }).then(
        (come) => ({ length: come.size }),
      ),
  ],
  [
    'leaves of a trace',
    1,
    (tx) => readTraceLeaves(tx, TENANT, 'llm-runs', runIdOf(5), { from: 0, below: SIZE, limit: 1 }),
  ],
  [
    'indexes of a trace',
    1,
    (tx) => readTraceIndexes(tx, TENANT, 'llm-runs', runIdOf(5), { from: 0, below: SIZE, limit: 1 }),
  ],
  [
    'first traces by run',
    ASKED,
    (tx) => readFirstTraces(tx, TENANT, 'llm-runs', { runIds: newest(runIdOf), below: SIZE, limit: 256 }),
  ],
];

describe.each(KNOWN)('when the planner knows %s', (known) => {
  let t: TestDatabase;
  beforeAll(async () => {
    t = await fillKnowing(known);
  }, LOAD_MS);
  afterAll(() => t.drop());

  const cases = [
    ...LOOKUPS.map((lookup) => [...lookup, [true, false]] as const),
    ...SEALERS.map((lookup) => [...lookup, [true]] as const),
  ];
  test.each(cases)('%s are looked up one by one, and nothing else is read', async (_, found, look, orders) => {
    for (const inIndexOrder of orders) {
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const rows = await inTenant(t.db, 'reader', TENANT, (tx) => look(explaining(tx, cost)), {
        readOnly: true,
        snapshot: true,
        inIndexOrder,
      });
      expect(rows.length).toBe(found);
      // Nothing is signed here: an empty table is scanned in no time.
      expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
      expect(cost.rows).toBeLessThanOrEqual(ROWS_EACH * Math.max(found, 1));
      expect(cost.blocks).toBeLessThanOrEqual(BLOCKS_EACH * Math.max(found, ASKED));
    }
  });

  test.each([
    ['the end', RUNS],
    ['the middle', RUNS / 2],
  ])('the runs that began last before a moment are the end of an index, at %s', async (_, run) => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const time = new Date(Date.UTC(2026, 0, 1) + run * 7_000).toISOString();
    const asked = { log: 'llm-runs', pin: SIZE, time, limit: ASKED };
    const { leaves, more } = await inTenant(
      t.db,
      'reader',
      TENANT,
      (tx) => findRunsBefore(explaining(tx, cost), TENANT, asked),
      { readOnly: true, snapshot: true, inIndexOrder: true },
    );
    // A run has up to three rows.
    expect(leaves.length).toBeGreaterThanOrEqual(ASKED / 3);
    expect(more).toBe(true);
    expect(cost.sequential).toEqual([]);
    // The rows, once more for whether there are others, and of each run its newest revision and its leaf.
    expect(cost.rows).toBeLessThanOrEqual(5 * ASKED);
    expect(cost.blocks).toBeLessThanOrEqual(BLOCKS_EACH * ASKED);
  });
});
