import { Agent } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { fill } from '../fill/fill.js';
import type { Filled } from '../fill/filled.js';
import { fillLines } from '../fill/logLines.js';
import { get } from '../reads/get.js';
import { createMeter, type Measured } from '../reads/measure.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace, type Place, type Server, withServer } from '../server.js';
import { DAY_ONE_RUNS } from './reads.js';

const CONNECTIONS = [1, 8] as const;
/** The deployments are asked in turn so often, each this long: what else the machine does meets both. */
const ROUNDS = 5;
const SLICE_S = 0.7;
/** Runs that are asked for in turn, a quarter in from the oldest. */
const IDS = 8;

/** Replays of a deployment of the first day and, when more runs are asked for, of that one too, both up at once and asked in turn. */
export async function replayRow({ runs, dataDir }: RowOptions): Promise<Row> {
  const sizes = [...new Set([Math.min(DAY_ONE_RUNS, runs), runs])];
  const places = sizes.map((size) => ({ size, place: makePlace(join(dataDir, String(size))) }));
  const filled: { readonly place: Place; readonly filled: Filled }[] = [];
  for (const { size, place } of places) filled.push({ place, filled: await fill(place, size) });
  const lines = await withAll(filled, []);
  const values: Record<string, number> = {};
  for (const { deployment } of lines.deployments) values[`runs_${deployment.runs}_records`] = deployment.records;
  return { row: 'replay', values, lines: lines.lines };
}

/** A deployment that is up, and what is asked of it. */
interface Up {
  readonly deployment: { readonly runs: number; readonly records: number };
  readonly server: Server;
  readonly readerKey: string;
  readonly questions: Readonly<Record<string, readonly string[]>>;
}

interface Measurements {
  readonly deployments: readonly Up[];
  readonly lines: readonly Readonly<Record<string, string | number>>[];
}

/** Starts the servers one within the other, then measures. */
async function withAll(
  [first, ...others]: readonly { readonly place: Place; readonly filled: Filled }[],
  up: readonly Up[],
): Promise<Measurements> {
  if (first === undefined) return { deployments: up, lines: await measure(up) };
  return withServer(first.place, async (server, url) => {
    const one = await prepare(first.place, first.filled, { server, url });
    return withAll(others, [...up, one]);
  });
}

async function prepare(place: Place, filled: Filled, { server, url }: { server: Server; url: string }): Promise<Up> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('set row_security = off');
    const { rows: last } = await client.query<{ ms: string }>(
      `select floor(extract(epoch from max(run_occurred_at)) * 1000) as ms from sworn.llm_run_records where tenant_id = $1`,
      [filled.tenant],
    );
    await fillLines(place, filled, { otlpHttp: server.otlpHttp, endMs: Number(last[0]?.ms) });
    const { rows } = await client.query<{ run_id: string }>(
      `select run_id from sworn.llm_run_records where tenant_id = $1 and log = 'llm-runs' and revision = 0
        order by run_index offset $2 limit $3`,
      [filled.tenant, Math.floor(filled.runs / 4), IDS],
    );
    const { rows: sizes } = await client.query<{ records: string }>(
      `select sum(next_index) as records from sworn.log_head where tenant_id = $1 and topic in ('llm-runs', 'system')`,
      [filled.tenant],
    );
    const ids = rows.map((row) => row.run_id);
    const long = filled.longTraces.reduce((a, b) => (a.steps > b.steps ? a : b)).traceIds;
    return {
      deployment: { runs: filled.runs, records: Number(sizes[0]?.records) },
      server,
      readerKey: filled.readerKey,
      questions: {
        replay: ids.map((id) => `/api/v1/logs/llm-runs/${id}/replay`),
        'system replay': ids.map((id) => `/api/v1/logs/system/${id}/replay`),
        'replay of 20,000 steps': long.map((id) => `/api/v1/logs/llm-runs/${id}/replay?limit=100`),
      },
    };
  } finally {
    await client.end();
  }
}

async function measure(up: readonly Up[]): Promise<Readonly<Record<string, string | number>>[]> {
  const lines: Readonly<Record<string, string | number>>[] = [];
  for (const question of Object.keys(up[0]?.questions ?? {}))
    for (const connections of CONNECTIONS) lines.push(...(await measureQuestion(up, question, connections)));
  return lines;
}

async function measureQuestion(
  up: readonly Up[],
  question: string,
  connections: number,
): Promise<Record<string, string | number>[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const asked = up.map(({ deployment, server, readerKey, questions }) => {
    const paths = questions[question] ?? [];
    let bytes = 0;
    const meter = createMeter(async (nth) => {
      const { status, body } = await get({ agent, readerKey }, `${server.http}${paths[nth % paths.length]}`);
      if (status === 200) bytes = body.length;
      return status === 200;
    });
    return { deployment, meter, bytesOf: () => bytes };
  });
  for (let round = 0; round < ROUNDS; round++) for (const { meter } of asked) await meter.slice(connections, SLICE_S);
  agent.destroy();
  return asked.map(({ deployment, meter, bytesOf }) => ({
    question,
    connections,
    records: deployment.records,
    ...named(meter.result()),
    answer_kb: bytesOf() / 1024,
  }));
}

function named({ perS, p50Ms, p99Ms, failed }: Measured): Record<string, number> {
  return { per_s: perS, p50_ms: p50Ms, p99_ms: p99Ms, failed };
}
