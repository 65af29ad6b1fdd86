import { type Deployment, openDeployment, readConfig } from '@sworn/server';
import { createSequencer, type LeafDraft } from '@sworn/server/measured';
import { insertPlain } from '../overhead/plainInsert.js';
import { openPrepare } from '../overhead/prepared.js';
import { makePayload } from '../payload.js';
import { measureCpu } from '../process.js';
import { percentiles } from '../reads/measure.js';
import type { Row } from '../row.js';
import { makePlace } from '../server.js';

/** 500 spans a request, four requests a batch: about what the sequencer puts into one transaction under load. */
const TRACES_A_REQUEST = 50;
const REQUESTS_A_BATCH = 4;
/** Batches of each kind, after some that are not counted. */
const BATCHES = 60;
const WARM_UP = 8;

/**
 * What integrity costs where it is paid, under the lock: the same prepared records through the real sequencer, and through its insert without leaf hashes,
 * tiles, frontier and authenticators, batch by batch in turns in one cluster. Preparing is not timed: it is the same for both.
 */
export async function overheadRow(): Promise<Row> {
  const place = makePlace();
  try {
    const deployment = await openDeployment(readConfig(place.env), { database: 'start' });
    try {
      return { row: 'overhead', values: await measurePairs(deployment) };
    } finally {
      await deployment.close();
    }
  } finally {
    place.remove();
  }
}

async function measurePairs(deployment: Deployment): Promise<Record<string, number>> {
  const [integral, plain] = [await withIntegrity(deployment), await without(deployment)];
  const prepare = openPrepare(deployment);
  const payload = makePayload(TRACES_A_REQUEST);
  for (let batch = -WARM_UP; batch < BATCHES; batch++) {
    const requests = Array.from({ length: REQUESTS_A_BATCH }, () => payload.fresh());
    // Each has its turn to be the first.
    for (const kind of batch % 2 === 0 ? [integral, plain] : [plain, integral]) {
      const drafts = await prepare(kind.tenantId, requests);
      const cost = await measure(() => kind.insert(drafts));
      if (batch >= 0) kind.costs.push(cost);
    }
  }
  return valuesOf(integral.costs, plain.costs);
}

/** What a batch took. */
interface Cost {
  readonly rows: number;
  readonly ms: number;
  /** Of this process, V8's own threads with it. */
  readonly nodeUs: number;
  readonly postgresUs: number;
}

/** One way to insert, into a tenant of its own. */
interface Kind {
  readonly tenantId: string;
  readonly costs: Cost[];
  /** Resolves to the rows that were inserted, when they are durable. */
  insert(drafts: readonly LeafDraft[]): Promise<number>;
}

async function withIntegrity({ db, keyStore, originOf, clock, tenants }: Deployment): Promise<Kind> {
  const tenantId = await tenants.create({ name: 'with' });
  const { recorder: recorderKey } = keyStore.deployment;
  const sequencer = createSequencer({ db, role: 'writer', recorderKey, originOf, clock, onCommit: () => undefined });
  return {
    tenantId,
    costs: [],
    insert: async (drafts) =>
      (await sequencer.append(tenantId, drafts)).filter(({ outcome }) => outcome === 'stored').length,
  };
}

async function without({ db, tenants }: Deployment): Promise<Kind> {
  const tenantId = await tenants.create({ name: 'without' });
  return { tenantId, costs: [], insert: (drafts) => insertPlain(db, tenantId, drafts) };
}

async function measure(insert: () => Promise<number>): Promise<Cost> {
  const postgres = measureCpu(process.pid).postgresS;
  const node = process.cpuUsage();
  const begun = performance.now();
  const rows = await insert();
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(node);
  return { rows, ms, nodeUs: user + system, postgresUs: (measureCpu(process.pid).postgresS - postgres) * 1e6 };
}

function valuesOf(withIt: readonly Cost[], withoutIt: readonly Cost[]): Record<string, number> {
  const [a, b] = [sumOf(withIt), sumOf(withoutIt)];
  if (a.rows !== b.rows) throw new Error(`${a.rows} rows were inserted with integrity, ${b.rows} without`);
  const pairs = withIt.map(({ ms }, i) => ms / (withoutIt[i]?.ms ?? ms));
  return {
    rows: a.rows,
    rows_a_batch: a.rows / BATCHES,
    with_rows_per_s: a.rows / (a.ms / 1000),
    without_rows_per_s: b.rows / (b.ms / 1000),
    overhead_time_pct: percentOver(a.ms / b.ms),
    overhead_median_batch_pct: percentOver(percentiles(pairs).p50Ms),
    with_node_us_per_row: a.nodeUs / a.rows,
    without_node_us_per_row: b.nodeUs / b.rows,
    with_postgres_us_per_row: a.postgresUs / a.rows,
    without_postgres_us_per_row: b.postgresUs / b.rows,
    overhead_cpu_pct: percentOver((a.nodeUs + a.postgresUs) / (b.nodeUs + b.postgresUs)),
  };
}

function sumOf(costs: readonly Cost[]): Cost {
  return costs.reduce(
    (sum, { rows, ms, nodeUs, postgresUs }) => ({
      rows: sum.rows + rows,
      ms: sum.ms + ms,
      nodeUs: sum.nodeUs + nodeUs,
      postgresUs: sum.postgresUs + postgresUs,
    }),
    { rows: 0, ms: 0, nodeUs: 0, postgresUs: 0 },
  );
}

function percentOver(ratio: number): number {
  return (ratio - 1) * 100;
}
