import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHeldOrders } from '../src/read/heldOrders.js';
import type { ReadDeps } from '../src/read/reading.js';
import { runReplay, systemReplay } from '../src/read/replay.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { BASE, newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { type Cost, explainingDatabase } from './planCost.js';

/** Records of each log that are none of the run's; `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const RECORDS = Number(process.env['SWORN_TEST_RECORDS'] ?? 10_000);
/** A way down an index that has grown by a few levels, for each row that is looked up. */
const DEEPER = 4;
const LOAD_MS = 600_000;
const RESOURCE = { 'service.name': 'shop', 'service.instance.id': 'shop-1' };
const TABLES = ['leaf', 'llm_run_records', 'run_members', 'system_records', 'audit_ledger'] as const;

let house: House;
let tenant: string;
let run: string;
beforeAll(async () => {
  house = await buildHouse();
  for (const table of TABLES) await house.database.admin(`alter table sworn.${table} set (autovacuum_enabled = off)`);
  tenant = await house.tenants.create({ name: 'acme' });
  run = await failing();
}, LOAD_MS);
afterAll(() => house.close());

/** Milliseconds after `BASE`. */
const NOW = Date.now() - Number(BASE / 1_000_000n);

/** A run of four minutes around now that has something in every lane of its replay. */
async function failing(): Promise<string> {
  const [traceId, root] = [newTrace(), newSpan()];
  const step = (name: string, start: number, status: 0 | 2 = 0): SpanText => ({
    traceId,
    spanId: newSpan(),
    parentSpanId: root,
    name,
    start: NOW + start,
    end: NOW + start + 100,
    status,
  });
  const spans = [
    { traceId, spanId: root, name: 'turn', start: NOW - 120_000, end: NOW + 120_000 },
    ...Array.from({ length: 20 }, (_, n) => step(`step ${n}`, n * 500 - 5_000)),
    step('fails', 6_000, 2),
  ];
  await house.ingest(tenant, otlp(spans, RESOURCE), ['ingest:assert']);
  const lines = Array.from({ length: 10 }, (_, n) => ({ at: NOW + n * 100, body: `line ${n}` }));
  await house.ingestLogs(tenant, otlpLogs([...lines, { at: NOW, body: 'of the trace', traceId }], RESOURCE));
  const checks = Array.from({ length: 5 }, (_, n) => ({
    at: NOW + n * 1_000,
    event: 'sworn.audit.event',
    attributes: {
      'sworn.audit.run.id': traceId,
      'sworn.audit.category': 'POLICY_EVALUATION',
      'sworn.audit.action': `${n}`,
    },
  }));
  await house.ingestLogs(tenant, otlpLogs(checks, RESOURCE));
  await house.life.tell([{ name: 'sworn.started', identity: ['x'] }]);
  await house.seal(tenant);
  await house.sign(tenant);
  await house.sign(house.platformTenant);
  return traceId;
}

/** A row as it is there, this many times more, but for what is said of some columns; `i` counts them. */
async function copied(table: string, where: string, but: Readonly<Record<string, string>>): Promise<void> {
  const columns = await house.database.admin<{ name: string }>(
    `select column_name as name from information_schema.columns
      where table_schema = 'sworn' and table_name = $1 and is_generated = 'NEVER'`,
    [table],
  );
  const names = columns.map(({ name }) => name);
  await house.database.admin(
    `insert into sworn.${table} (${names.join(', ')}) select ${names.map((name) => but[name] ?? `r.${name}`).join(', ')}
       from (select * from sworn.${table} where ${where} order by leaf_index desc limit 1) r cross join generate_series(1, ${RECORDS}::bigint) i`,
  );
}

/** Records of other runs, traces and instances at the same time, and of the same instance at other times; every log is so much longer. */
async function fill(): Promise<void> {
  const at = (tenantId: string, log: string) => `tenant_id = '${tenantId}' and log = '${log}'`;
  await house.database.admin('set session_replication_role = replica');
  const trace = `decode(md5(i::text), 'hex')`;
  const elsewhere = { run_id: `'other-' || i`, trace_id: trace, hinted_run: 'null', correlation_id: `'other-' || i` };
  const days = `case when i % 3 = 0 then r.occurred_at when i % 3 = 1 then r.occurred_at - interval '1 day' else r.occurred_at + interval '1 day' end`;
  for (const [owner, log, kind] of [
    [tenant, 'llm-runs', 'STEP'],
    [tenant, 'system', 'LOG'],
    [tenant, 'audit', 'AUDIT'],
    [house.platformTenant, 'system', 'STARTUP'],
  ] as const) {
    const [head] = await house.database.admin<{ size: string }>(
      `select next_index as size from sworn.log_head where ${at(owner, log)}`,
    );
    const index = { leaf_index: `${head?.size}::bigint + i - 1` };
    await copied('leaf', `${at(owner, log)} and kind = '${kind}'`, {
      ...index,
      ...(owner === tenant && log === 'llm-runs' ? { trace_id: trace } : {}),
      event_key: `sha256(convert_to('${owner}${log}' || i, 'UTF8'))`,
    });
    if (log === 'llm-runs') {
      await copied('llm_run_records', `${at(owner, log)} and revision = 0`, {
        ...index,
        ...elsewhere,
        run_index: index.leaf_index,
        run_occurred_at: `r.run_occurred_at + (i % 120 - 60) * interval '1 second'`,
      });
      await copied('run_members', at(owner, log), { ...index, ...elsewhere });
    } else if (log === 'audit') {
      await copied('audit_ledger', at(owner, log), { ...index, ...elsewhere });
    } else if (owner === tenant) {
      const instance = `case when i % 3 = 0 then 'other-' || i else r.instance end`;
      await copied('system_records', at(owner, log), { ...index, ...elsewhere, instance, occurred_at: days });
    } else {
      const otherDays = `r.occurred_at + case when i % 2 = 0 then interval '1 day' else - interval '1 day' end`;
      await copied('system_records', `${at(owner, log)} and shared`, { ...index, occurred_at: otherDays });
    }
    await house.database.admin(
      `update sworn.log_head set next_index = next_index + ${RECORDS} where ${at(owner, log)}`,
    );
  }
  await house.database.admin('set session_replication_role = origin');
}

interface Asked {
  readonly cost: Cost;
  readonly events: readonly { readonly source?: string; readonly association?: string | null }[];
}

/** A whole answer, with nothing held from before. */
async function ask(which: 'run' | 'system'): Promise<Asked> {
  const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
  const deps: ReadDeps = {
    ...house.read,
    db: explainingDatabase(house.database.db, cost),
    heldOrders: createHeldOrders(),
  };
  const { answer } =
    which === 'run'
      ? await runReplay(deps, tenant, run, { query: {}, isAuditor: true })
      : await systemReplay(deps, tenant, run, {});
  return { cost, events: answer.events as Asked['events'] };
}

/** Of tables of a handful of rows the planner may well read all. */
const OF_RECORDS: ReadonlySet<string> = new Set(TABLES);

describe('a whole replay', () => {
  const before = new Map<string, Asked>();
  beforeAll(async () => {
    for (const which of ['run', 'system'] as const) before.set(which, await ask(which));
    await fill();
  }, LOAD_MS);

  test('has something of every lane', () => {
    const lanes = (which: string) => [
      ...new Set(before.get(which)?.events.map(({ source, association }) => association ?? source)),
    ];
    expect(lanes('run').toSorted()).toEqual(['CORRELATED', 'CO_LOCATED', 'PLATFORM', 'llm', 'policy']);
    expect(lanes('system').toSorted()).toEqual(['CORRELATED', 'CO_LOCATED', 'PLATFORM']);
  });

  describe.each(['before there are statistics', 'with statistics'])('%s,', (when) => {
    beforeAll(async () => {
      if (when === 'with statistics')
        await house.database.admin(`analyze ${TABLES.map((table) => `sworn.${table}`).join(', ')}`);
    }, LOAD_MS);

    test.each(['run', 'system'] as const)(
      'of a %s costs the same however many other records there are',
      async (which) => {
        const [few, many] = [before.get(which) as Asked, await ask(which)];
        expect(many.events).toEqual(few.events);
        expect(many.cost.sequential.filter((table) => OF_RECORDS.has(table))).toEqual([]);
        expect(many.cost.rows).toBeLessThanOrEqual(few.cost.rows);
        expect(many.cost.blocks).toBeLessThanOrEqual(few.cost.blocks + DEEPER * few.cost.rows);
      },
    );
  });
});
