import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEntriesAt } from '../src/store/auditEntries.js';
import {
  type AccessFilters,
  accessSelection,
  type ControlFilters,
  controlSelection,
  ledgerSelection,
  type LedgerFilters,
} from '../src/store/auditSelections.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { countEntries, type EntrySelection, type EntryWindow, findEntries } from '../src/store/entryPlaces.js';
import { MAX_EXAMINED, MAX_NARROW } from '../src/store/runLead.js';
import { type Cost, explaining } from './planCost.js';

/** Records of each log; `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const RECORDS = Number(process.env['SWORN_TEST_RECORDS'] ?? 10_000);
const LIMIT = 51;
/** Rows and index entries that a page of 50 may cost where the filter leads to what it finds, and another holds of one in ten. */
const ROWS_OF_A_PAGE = 1_000;
/** At most, also among a million; and what reads rows that are seen in no node of a plan, as those of an index alone. */
const BLOCKS_OF_A_ROW = 5;
const BLOCKS_OF_A_PAGE = 1_000;
/** Of several filters each is tried for being narrow. */
const ROWS_OF_CHOOSING = MAX_NARROW + 1;
/** Entries looked at where nothing more matches: as much as a page may examine, of this many leaves and rows. */
const NO_MATCH = 2 * Math.min(RECORDS, MAX_EXAMINED);
const TENANT = '11111111-1111-4111-8111-111111111111';
const TABLES = ['leaf', 'access_records', 'control_records', 'audit_ledger'].map((table) => `sworn.${table}`);
const LOAD_MS = 600_000;

const NO_ACCESS: AccessFilters = {
  kinds: null,
  runId: null,
  recordId: null,
  about: null,
  credentialIds: null,
  actorType: null,
  decision: null,
  permission: null,
  endpoint: null,
  correlationId: null,
  view: null,
};
const NO_LEDGER: LedgerFilters = {
  eventTypes: null,
  category: null,
  entityType: null,
  entityIds: null,
  actorType: null,
  actorIds: null,
  decision: null,
  runId: null,
  policyId: null,
  incidentId: null,
  correlationId: null,
};

/** With the same in SQL of the test's own. */
type Case<F> = readonly [Partial<F>, string];

const OF_ACCESS: Case<AccessFilters>[] = [
  [{}, 'true'],
  [{ kinds: ['READ'] }, `kind = 'READ'`],
  [{ kinds: ['READ_ENDED'] }, `kind = 'READ_ENDED'`],
  [{ kinds: ['READ_FOLDED'] }, `kind = 'READ_FOLDED'`],
  [{ runId: 'rare' }, `run_id = 'rare'`],
  [{ runId: 'run-3' }, `run_id = 'run-3'`],
  [{ runId: 'none' }, 'false'],
  [{ recordId: 'rare' }, `record_id = 'rare'`],
  [{ about: 'RUN' }, 'run_id is not null'],
  [{ about: 'RECORD' }, 'run_id is null and record_id is not null'],
  [{ credentialIds: ['rare'] }, `credential_id = 'rare'`],
  [{ credentialIds: ['key-1'] }, `credential_id = 'key-1'`],
  [{ actorType: 'API_KEY' }, 'credential_id is not null'],
  [{ decision: 'ALLOW' }, `decision = 'ALLOW'`],
  [{ decision: 'DENY' }, `decision = 'DENY'`],
  [{ endpoint: 'rare' }, `endpoint = 'rare'`],
  [{ endpoint: 'endpoint-2' }, `endpoint = 'endpoint-2'`],
  [{ correlationId: 'rare' }, `correlation_id = 'rare'`],
  [{ correlationId: 'tok-3' }, `correlation_id = 'tok-3'`],
  [{ view: 'view-7' }, `view = 'view-7'`],
  [{ view: 'none' }, 'false'],
  [{ endpoint: 'endpoint-2', decision: 'DENY' }, `endpoint = 'endpoint-2' and decision = 'DENY'`],
  [
    { credentialIds: ['key-1'], endpoint: 'endpoint-2', decision: 'ALLOW' },
    `credential_id = 'key-1' and endpoint = 'endpoint-2' and decision = 'ALLOW'`,
  ],
  [{ credentialIds: ['key-1'], endpoint: 'rare' }, 'false'],
];
const OF_CONTROL: Case<ControlFilters>[] = [
  [{}, 'true'],
  [{ kinds: ['KEY_CREATED'] }, `kind = 'KEY_CREATED'`],
  [{ kinds: ['FINDING', 'rare', 'none'] }, `kind in ('FINDING', 'rare')`],
  [{ subjects: ['subject-5'] }, `subject = 'subject-5'`],
  [{ subjects: ['subject-5'], kinds: ['KEY_CREATED', 'FINDING'] }, `subject = 'subject-5' and kind <> 'rare'`],
];
const OF_LEDGER: Case<LedgerFilters>[] = [
  [{}, 'true'],
  [{ eventTypes: ['rare'] }, `event_type = 'rare'`],
  [{ eventTypes: ['type-2'] }, `event_type = 'type-2'`],
  [{ category: 'VIOLATION' }, `category = 'VIOLATION'`],
  [{ entityType: 'entity-1' }, `entity_type = 'entity-1'`],
  [{ entityIds: ['thing-3', 'tok-3'] }, `entity_id in ('thing-3', 'tok-3')`],
  [{ actorType: 'HUMAN' }, `actor_type = 'HUMAN'`],
  [{ actorIds: ['actor-1', 'actor-2'] }, `actor_id in ('actor-1', 'actor-2')`],
  [{ actorIds: ['none', 'neither'] }, 'false'],
  [{ decision: 'DENY' }, `decision = 'DENY'`],
  [{ runId: 'run-3' }, `run_id = 'run-3'`],
  [{ policyId: 'policy-2' }, `policy_id = 'policy-2'`],
  [{ incidentId: 'rare' }, `incident_id = 'rare'`],
  [{ correlationId: 'cor-4' }, `correlation_id = 'cor-4'`],
  [{ decision: 'DENY', actorIds: ['actor-1'] }, `decision = 'DENY' and actor_id = 'actor-1'`],
];

type Topic = 'access' | 'control' | 'audit';
const TABLE: Readonly<Record<Topic, string>> = {
  access: 'access_records',
  control: 'control_records',
  audit: 'audit_ledger',
};

const caseOf = (topic: Topic, filters: object, selection: EntrySelection, where: string) =>
  [`${topic} ${JSON.stringify(filters)}`, topic, selection, where, Object.keys(filters).length] as const;
const CASES = [
  ...OF_ACCESS.map(([f, where]) => caseOf('access', f, accessSelection({ ...NO_ACCESS, ...f }), where)),
  ...OF_CONTROL.map(([f, where]) =>
    caseOf('control', f, controlSelection({ kinds: null, subjects: null, ...f }), where),
  ),
  ...OF_LEDGER.map(([f, where]) => caseOf('audit', f, ledgerSelection({ ...NO_LEDGER, ...f }), where)),
];

/** In an order of its own, at most a minute from that of the places. */
const OCCURRED = `timestamptz '2026-01-01 00:00:00Z' + (i + i * 37 % 60) * interval '1 second'`;

/** The ten oldest are rare; one in a hundred is refused, or ends a stream. */
const FILL_ACCESS = `
  insert into sworn.access_records (tenant_id, log, leaf_index, kind, request_id, endpoint, credential_id, decision, run_id, status, view, correlation_id, record_id)
  select $1::uuid, 'access', i, case when i % 100 = 3 then 'READ_ENDED' else 'READ' end, gen_random_uuid(),
         case when i < 10 then 'rare' else 'endpoint-' || dice % 5 end, case when i < 10 then 'rare' else 'key-' || coin % 4 end,
         case when i % 100 = 7 then 'DENY' else 'ALLOW' end, case when i < 10 then 'rare' when dice < 300 then 'run-' || coin % 20 end, 200,
         case when dice > 800 then 'view-' || i / 50 end, case when i < 10 then 'rare' when dice < 200 then 'tok-' || coin % 9 end,
         case when i < 10 then 'rare' when dice > 900 then 'record-' || coin % 20 end
    from generate_series(0, $2::int - 1) i
   cross join lateral (select abs(hashint4(i * 7 + 1)) % 1000 as dice, abs(hashint4(i * 5 + 2)) % 1000 as coin) d`;
const FILL_CONTROL = `
  insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject)
  select $1::uuid, 'control', i, case when i < 10 then 'rare' when i % 3 = 0 then 'KEY_CREATED' else 'FINDING' end, 'subject-' || i % 50
    from generate_series(0, $2::int - 1) i`;
const FILL_LEDGER = `
  insert into sworn.audit_ledger (tenant_id, log, leaf_index, event_type, category, entity_type, entity_id, actor_type, actor_id, decision, run_id,
         policy_id, incident_id, correlation_id, occurred_at)
  select $1::uuid, 'audit', i, case when i < 10 then 'rare' else 'type-' || dice % 5 end, case when dice < 150 then 'VIOLATION' end,
         'entity-' || dice % 3, case when coin % 2 = 0 then 'thing-' else 'tok-' end || dice % 40, case when coin < 400 then 'HUMAN' else 'AGENT' end,
         'actor-' || dice % 9, case when dice < 300 then 'DENY' when dice < 600 then 'ALLOW' end, 'run-' || coin % 30,
         case when coin < 300 then 'policy-' || dice % 4 end, case when i < 10 then 'rare' end, 'cor-' || coin % 20,
         ${OCCURRED}
    from generate_series(0, $2::int - 1) i
   cross join lateral (select abs(hashint4(i * 7 + 1)) % 1000 as dice, abs(hashint4(i * 5 + 2)) % 1000 as coin) d`;
const FILL_LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, log, i, 'READ', convert_to(repeat('x', 400), 'UTF8'), sha256(int4send(i)), sha256(int4send(i)), sha256(int4send(i)),
         ${OCCURRED}, timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'
    from generate_series(0, $2::int - 1) i cross join unnest(array['access', 'control', 'audit']) log`;

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [FILL_ACCESS, FILL_CONTROL, FILL_LEDGER, FILL_LEAVES]) await t.admin(fill, [TENANT, RECORDS]);
  await t.admin('set session_replication_role = origin');
}, LOAD_MS);
afterAll(() => t.drop());

const asReader = <T>(work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });

function windowOf(topic: Topic, of: Partial<EntryWindow> = {}): EntryWindow {
  const all = { order: 'desc', from: 0, below: RECORDS, occurred: null, after: null } as const;
  return { ...all, log: topic, limit: LIMIT, examine: MAX_EXAMINED, ...of };
}

/** An end of the walk, or its middle. */
const MIDDLE = Math.floor(RECORDS / 2);
const TIME_OF_MIDDLE = new Date(Date.UTC(2026, 0, 1) + MIDDLE * 1000).toISOString();
const WALKS: Partial<EntryWindow>[] = [
  { order: 'desc' },
  { order: 'desc', below: MIDDLE },
  { order: 'asc' },
  { order: 'asc', from: MIDDLE },
  { occurred: { after: '2025-01-01T00:00:00Z', before: null } },
  { occurred: { after: null, before: TIME_OF_MIDDLE } },
  { occurred: { after: '2025-01-01T00:00:00Z', before: null }, after: { index: MIDDLE, occurredAt: TIME_OF_MIDDLE } },
];

describe.each(['before there are statistics', 'with statistics'])('a page of entries, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  test.each(CASES)(
    'of %s reads an index in its order, as much from the middle as from the end',
    async (_, topic, selection, __, filters) => {
      for (const walk of WALKS) {
        const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
        await asReader((tx) => findEntries(explaining(tx, cost), TENANT, selection, windowOf(topic, walk)));
        // By time every filter is tried for being narrow, and what is narrow is looked at whole, with its leaves; what has nothing left, too.
        const isByTime = walk.occurred !== undefined && filters > 0;
        const several = filters > 1 || isByTime ? filters * ROWS_OF_CHOOSING : 0;
        const most = ROWS_OF_A_PAGE + several + (isByTime ? 3 * MAX_NARROW + NO_MATCH : 0);
        expect(cost.sequential).toEqual([]);
        expect(cost.rows, JSON.stringify(walk)).toBeLessThanOrEqual(most);
        // A way down an index and its row, each: whatever walks an index past what it wants reads no rows and many blocks.
        expect(cost.blocks, JSON.stringify(walk)).toBeLessThanOrEqual(BLOCKS_OF_A_ROW * cost.rows + BLOCKS_OF_A_PAGE);
      }
    },
  );

  test.each(['access', 'control', 'audit'] as const)('of %s looks its entries up one by one', async (topic) => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const indexes = Array.from({ length: 100 }, (_, i) => RECORDS - 1 - i * 7);
    const found = await asReader((tx) => readEntriesAt(explaining(tx, cost), TENANT, { topic, log: topic }, indexes));
    expect(found.map(({ index }) => index)).toEqual(indexes);
    // Nothing is signed here: an empty table is scanned in no time.
    expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
    expect(cost.rows).toBeLessThanOrEqual(3 * indexes.length);
  });
});

/** A few pages of each, the oldest among them: those are the rare ones. */
const ORDERS: [Partial<EntryWindow>, string, string][] = [
  [{ order: 'desc', below: 2_500 }, 'leaf_index < 2500', 'leaf_index desc'],
  [{ order: 'asc', below: 2_500 }, 'leaf_index < 2500', 'leaf_index'],
  [
    { occurred: { after: '2026-01-01T00:20:00Z', before: '2026-01-01T01:00:00.5Z' }, from: 1_000 },
    `leaf_index >= 1000 and at >= timestamptz '2026-01-01 00:20Z' and at < timestamptz '2026-01-01 01:00:00.5Z'`,
    'at desc, leaf_index desc',
  ],
];

test.each(CASES)('pages of %s are exactly what matches, in order, and as many as are counted', async (...args) => {
  const [, topic, selection, where] = args;
  for (const [walk, range, order] of ORDERS) {
    const rows = await t.admin<{ index: string }>(
      `select leaf_index as index from (
         select r.*, l.occurred_at as at from sworn.${TABLE[topic]} r join sworn.leaf l using (tenant_id, log, leaf_index)) x
        where tenant_id = $1 and (${where}) and ${range} order by ${order}`,
      [TENANT],
    );
    const expected = rows.map(({ index }) => Number(index));
    const seen: number[] = [];
    // A small share, so that pages end at it.
    let window = windowOf(topic, { ...walk, limit: 997, examine: 1_500 });
    const count = (tx: Tx) => countEntries(tx, TENANT, selection, window);
    const counted = await inTenant(t.db, 'reader', TENANT, count, { readOnly: true, snapshot: true });
    for (;;) {
      const { places, examinedEnd } = await asReader((tx) => findEntries(tx, TENANT, selection, window));
      seen.push(...places.map(({ index }) => index));
      const last = places.length === window.limit ? places.at(-1) : examinedEnd;
      if (last == null) break;
      if (window.occurred !== null) window = { ...window, after: last };
      else window = { ...window, ...(window.order === 'desc' ? { below: last.index } : { from: last.index + 1 }) };
    }
    expect(seen).toEqual(expected);
    expect(counted).toBe(expected.length);
  }
});
