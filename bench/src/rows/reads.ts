import { Agent } from 'node:http';
import { join } from 'node:path';
import { fill } from '../fill/fill.js';
import type { Filled } from '../fill/filled.js';
import { openPoster } from '../fill/post.js';
import { openTurns } from '../fill/turns.js';
import { type Bare, openBare } from '../reads/bare.js';
import { type Depths, findDepths } from '../reads/depths.js';
import { type Asker, get } from '../reads/get.js';
import { createMeter, type Measured } from '../reads/measure.js';
import { type Question, questionsOf } from '../reads/questions.js';
import { type Asked, recordStatements } from '../reads/statements.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace, type Place, type Server, withServer } from '../server.js';

/** The deployment of the first day, which the asked one is compared with. */
export const DAY_ONE_RUNS = 10_000;
const CONNECTIONS = [1, 8, 64] as const;
/** Slices of facade, SQL and audited SQL alternate so often, each this long: what else the machine does meets all three. */
const ROUNDS = 3;
const SLICE_S = 0.7;
/** Of a run that is one row among all: one short slice each. */
const BRIEF = { rounds: 1, sliceS: 0.25 };
/** Runs without a root stay open for the whole row. */
const SEAL_IDLE_MS = '3600000';
/** Requests of open turns sent before: a few hundred runs. */
const OPEN_REQUESTS = 3;
const SETTLE_MS = 3_000;

/** Questions of the facade beside their bare SQL, on a deployment of the first day and, when more runs are asked for, on that one too. */
export async function readsRow({ runs, dataDir }: RowOptions): Promise<Row> {
  const lines: Record<string, string | number>[] = [];
  const values: Record<string, number> = {};
  for (const size of new Set([Math.min(DAY_ONE_RUNS, runs), runs])) {
    const place = makePlace(join(dataDir, String(size)));
    const filled = await fill(place, size);
    values[`runs_${size}_spans`] = filled.spans;
    values[`runs_${size}_leaves`] = filled.leaves;
    values[`runs_${size}_fill_s`] = filled.seconds;
    lines.push(...(await measureDeployment(place, filled, runs > DAY_ONE_RUNS)));
  }
  return { row: 'reads', values, lines };
}

async function measureDeployment(
  place: Place,
  filled: Filled,
  thoroughly: boolean,
): Promise<Record<string, string | number>[]> {
  const env = { ...place.env, SWORN_SEAL_IDLE_MS: SEAL_IDLE_MS };
  const depths = await withServer({ ...place, env }, (server, url) => prepare(place, filled, { server, url }));
  const questions = questionsOf(filled, depths);
  const asks = questions.flatMap(({ paths, whole }) => paths.map((path) => ({ path, accept: acceptOf(whole) })));
  const recorded = await recordStatements({ ...place, env }, { readerKey: filled.readerKey, asks });
  let from = 0;
  const withSql = questions.map((question) => {
    const sql = recorded.slice(from, (from += question.paths.length));
    return { question, sql };
  });
  return withServer({ ...place, env }, async (server, url) => {
    const bare = await openBare(place, url, filled);
    try {
      const lines: Record<string, string | number>[] = [];
      for (const { question, sql } of withSql) {
        for (const connections of CONNECTIONS.filter((n) => n <= question.maxConnections)) {
          const setting = { filled, server, bare, connections, thoroughly };
          const line = { runs: filled.runs, ...(await measureQuestion(setting, question, sql)) };
          lines.push(line);
          // All of it takes half an hour: what is measured is said at once.
          console.error(JSON.stringify(line));
        }
      }
      return lines;
    } finally {
      await bare.close();
    }
  });
}

/** Sends runs that stay open, and finds the deep places. */
async function prepare(
  place: Place,
  filled: Filled,
  { server, url }: { server: Server; url: string },
): Promise<Depths> {
  const poster = openPoster(server.otlpHttp, filled.ingestKey, { connections: 1 });
  for (let i = 0; i < OPEN_REQUESTS; i++) await poster.post(openTurns(Date.now()));
  poster.close();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const agent = new Agent({ keepAlive: true });
  try {
    return await findDepths(place, filled, { http: server.http, url, asker: { agent, readerKey: filled.readerKey } });
  } finally {
    agent.destroy();
  }
}

interface Setting {
  readonly filled: Filled;
  readonly server: Server;
  readonly bare: Bare;
  readonly connections: number;
  readonly thoroughly: boolean;
}

async function measureQuestion(
  { filled, server, bare, connections, thoroughly }: Setting,
  { name, paths, whole }: Question,
  sql: readonly (readonly Asked[])[],
): Promise<Record<string, string | number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const asker: Asker = { agent, readerKey: filled.readerKey };
  let bytes = 0;
  const facade = createMeter(async (nth) => {
    const { status, body } = await get(asker, `${server.http}${paths[nth % paths.length]}`, acceptOf(whole));
    if (status === 200) bytes = body.length;
    return status === 200;
  });
  const bareSql = createMeter((nth) => bare.ask(sql[nth % sql.length] ?? []));
  const audited = createMeter((nth) => bare.askAndInsert(sql[nth % sql.length] ?? []));
  const { rounds, sliceS } = thoroughly ? { rounds: ROUNDS, sliceS: SLICE_S } : BRIEF;
  for (let round = 0; round < rounds; round++) {
    for (const meter of [facade, bareSql, audited]) await meter.slice(connections, sliceS);
  }
  agent.destroy();
  return {
    question: name,
    connections,
    ...named('facade', facade.result()),
    ...named('sql', bareSql.result()),
    ...named('sql_insert', audited.result()),
    answer_kb: bytes / 1024,
  };
}

function named(what: string, { perS, p50Ms, p99Ms, failed }: Measured): Record<string, number> {
  return { [`${what}_per_s`]: perS, [`${what}_p50_ms`]: p50Ms, [`${what}_p99_ms`]: p99Ms, [`${what}_failed`]: failed };
}

function acceptOf(whole: boolean): string {
  return whole ? 'application/x-ndjson' : 'application/json';
}
