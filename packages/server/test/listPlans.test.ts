import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTenant, type Tx } from '../src/store/database.js';
import { countRuns } from '../src/store/runCount.js';
import { NO_FILTER, type RunFilters } from '../src/store/runFilters.js';
import { MAX_EXAMINED, MAX_NARROW } from '../src/store/runLead.js';
import { findRunPlaces, type RunPage } from '../src/store/runPlaces.js';
import { everyFilter, fillRuns, readRows, referenceOf } from './listLoad.js';
import { type Cost, explaining } from './planCost.js';

/** `SWORN_TEST_RUNS=1000000 npx vitest run packages/server/test/listPlans.test.ts` asks it of a million, and prints what each took. */
const RUNS = Number(process.env['SWORN_TEST_RUNS'] ?? 10_000);
/** Rows and index entries that a page of 50 may cost when the filter leads to what it finds, and another holds of one in ten. */
const ROWS_OF_A_PAGE = 2_000;
/**
 * The same in the order of `occurred_at`: what is narrow is looked at whole; what is wide is walked, with a look at each run, and walked again to
 * say where a short page ended.
 */
const ROWS_BY_OCCURRENCE = MAX_NARROW + 3 * MAX_EXAMINED;
const LOAD_MS = 600_000;
const TENANT = '11111111-1111-4111-8111-111111111111';

let t: TestDatabase;
let size = 0;
beforeAll(async () => {
  t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of ['llm_run_records', 'run_names', 'run_members', 'open_run'])
    await t.admin(`alter table sworn.${table} set (autovacuum_enabled = off)`);
  await fillRuns(t, '22222222-2222-4222-8222-222222222222', 1_000);
  size = await fillRuns(t, TENANT, RUNS);
}, LOAD_MS);
afterAll(() => t.drop());

const asReader = <T>(work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });

function pageOf(order: RunPage['order'], of: Partial<RunPage> = {}): RunPage {
  return { log: 'llm-runs', pin: size, order, fromPlace: 0, belowPlace: size, after: null, limit: 51, ...of };
}

const ORDERS = ['place_desc', 'place_asc', 'occurred_desc'] as const;
const LONG_AGO = '2020-01-01T00:00:00Z';

function asked(filters: Partial<RunFilters>, order: RunPage['order']): RunFilters {
  return { ...NO_FILTER, ...filters, ...(order === 'occurred_desc' ? { occurredAfter: LONG_AGO } : {}) };
}

/** Of several filters each is tried for being narrow. */
function choosing(filters: Partial<RunFilters>): number {
  const several = Object.keys(filters).length;
  return several > 1 ? several * (MAX_NARROW + 1) : 0;
}

describe.each(['before there are statistics', 'with statistics'])('a page of runs, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics')
      await t.admin('analyze sworn.llm_run_records, sworn.run_names, sworn.run_members, sworn.open_run');
  }, LOAD_MS);

  test.runIf(RUNS > 10_000).each(everyFilter())(
    '%s: its total comes within the reader’s time',
    async (name, filters) => {
      const started = performance.now();
      const total = await inTenant(t.db, 'reader', TENANT, (tx) =>
        countRuns(tx, TENANT, asked(filters, 'place_desc'), pageOf('place_desc')),
      );
      console.log(`${name} total: ${(performance.now() - started).toFixed(1)} ms, ${total} runs`);
    },
    LOAD_MS,
  );

  test.each(everyFilter())('under %s reads an index in its order, and a bounded part of it', async (name, filters) => {
    for (const order of ORDERS) {
      // The first page, and one from the middle of the log.
      for (const half of [false, true]) {
        const middle = Math.floor(size / 2);
        const page = pageOf(order, !half ? {} : order === 'place_asc' ? { fromPlace: middle } : { belowPlace: middle });
        const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
        await asReader((tx) => findRunPlaces(explaining(tx, cost), TENANT, asked(filters, order), page));
        const bound = order === 'occurred_desc' ? ROWS_BY_OCCURRENCE : ROWS_OF_A_PAGE + choosing(filters);
        expect([name, order, cost.sequential]).toEqual([name, order, []]);
        expect(cost.rows, `${name}, ${order}${half ? ', from the middle' : ''}`).toBeLessThanOrEqual(bound);
        if (RUNS > 10_000) {
          const started = performance.now();
          const found = await asReader((tx) => findRunPlaces(tx, TENANT, asked(filters, order), page));
          console.log(
            `${name} ${order}${half ? ' middle' : ''}: ${(performance.now() - started).toFixed(1)} ms, ${found.places.length} runs, ${cost.rows} rows`,
          );
        }
      }
    }
  });
});

describe('two filters that many runs have and none both', () => {
  test('end a page after its share of entries, and say where', async () => {
    const filters = { ...NO_FILTER, hadErrors: false, outcome: 'FAILURE' };
    const found = await asReader((tx) => findRunPlaces(tx, TENANT, filters, pageOf('place_desc')));
    expect(found.places).toEqual([]);
    expect(found.examinedEnd === null).toBe(RUNS < 1_000_000);
  });
});

describe.runIf(RUNS <= 10_000)('each filter, in each order and at any pin,', () => {
  let rows: Awaited<ReturnType<typeof readRows>>;
  beforeAll(async () => {
    rows = await readRows(t, TENANT);
  });

  test.each(everyFilter())(
    '%s: shows and counts exactly the runs whose newest revision matches',
    async (_, filters) => {
      for (const pin of [size, Math.floor(size / 3)]) {
        for (const order of ORDERS) {
          const filtersHere = asked(filters, order);
          const expected = referenceOf(rows, filters, { pin, order });
          const seen: number[] = [];
          let page = pageOf(order, { pin, belowPlace: pin, limit: 997 });
          for (;;) {
            const { places, examinedEnd } = await asReader((tx) => findRunPlaces(tx, TENANT, filtersHere, page));
            seen.push(...places.map((p) => p.index));
            const last = places.length === page.limit ? places.at(-1) : examinedEnd;
            if (last == null) break;
            if (order === 'place_desc') page = { ...page, belowPlace: last.place };
            else if (order === 'place_asc') page = { ...page, fromPlace: last.place + 1 };
            else page = { ...page, after: last };
          }
          expect(seen).toEqual(expected);
          const total = await inTenant(t.db, 'reader', TENANT, (tx) =>
            countRuns(tx, TENANT, filtersHere, pageOf(order, { pin, belowPlace: pin })),
          );
          expect(total).toBe(expected.length);
        }
      }
    },
  );
});

test('a trace in which one run has very many parts leads to the others, too', async () => {
  // The sender carved so many subtrees out of the trace of run 20 for it, and then one for run 30.
  await t.admin('set session_replication_role = replica');
  await t.admin(
    `insert into sworn.run_members (tenant_id, log, leaf_index, run_id, trace_id, whole, roots)
     select $1, 'llm-runs', i * 12 + 5, lpad(case when i < 1500 then '14' else '1e' end, 32, '0'), decode(lpad('14', 32, '0'), 'hex'), false,
            array[int8send(i)]
       from generate_series(100, 1500) i`,
    [TENANT],
  );
  await t.admin('set session_replication_role = origin');
  const filters = { ...NO_FILTER, traceId: Buffer.from('14'.padStart(32, '0'), 'hex') };
  const { places } = await asReader((tx) => findRunPlaces(tx, TENANT, filters, pageOf('place_desc')));
  expect(places.map(({ place }) => place / 12)).toEqual([30, 20]);
});
