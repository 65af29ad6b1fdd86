import { join } from 'node:path';
import { rangeProof, TILE_WIDTH, type Frontier } from '@sworn/evidence';
import { readConfig } from '@sworn/server';
import {
  checkBeyond,
  checkGeneration,
  type Checking,
  checkingOf,
  checkMemory,
  checkRange,
  type Finding,
  findingOf,
  type HeadRow,
  inTenant,
  type LogPlace,
  openForJudging,
  outsideTenants,
  overTiles,
  readHeads,
  readPlatform,
  readTenants,
  stateOf,
} from '@sworn/server/measured';
import { fill } from '../fill/fill.js';
import { percentiles } from '../reads/measure.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace } from '../server.js';

const NEW_RECORDS = 10_000;
/** The first round reads cold pages; the middle one of these is told, and the slowest. */
const ROUNDS = 5;

/**
 * What the server's own checks do once a log has 10,000 new records: from where it was found sound, at a whole tile, to its end, V1 to V10 but for
 * opening bodies. The last 10,000 of the filled log stand for the new ones. Without the pauses in which the server does other work.
 */
export async function newRecordsRow({ runs, dataDir }: RowOptions): Promise<Row> {
  const { place: at, config, filled } = await openFilled(join(dataDir, String(runs)), runs);
  const judged = await openForJudging(config);
  try {
    const tenants = (await outsideTenants(judged.db, 'checker', readTenants)).map(({ tenantId }) => tenantId);
    const platform = (await outsideTenants(judged.db, 'checker', readPlatform)) ?? filled.tenant;
    const checking = checkingOf(judged, config, { tenants: () => tenants, platform });
    const place = { tenantId: filled.tenant, log: 'llm-runs' };
    const head = (await checking.ask((tx) => readHeads(tx, place.tenantId))).find(({ log }) => log === place.log);
    if (head === undefined) throw new Error(`${at.dir} has no log ${place.log}`);
    const from = Math.max(0, Math.floor((head.size - NEW_RECORDS) / TILE_WIDTH) * TILE_WIDTH);
    const frontier = await frontierAt(checking, place, from);
    const tookMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const begun = performance.now();
      await checkNew(checking, { place, head, frontier });
      tookMs.push(performance.now() - begun);
    }
    const { p50Ms } = percentiles(tookMs);
    return {
      row: 'new-records',
      values: {
        runs,
        log_records: head.size,
        checked_records: head.size - from,
        first_ms: tookMs[0] ?? 0,
        median_ms: p50Ms,
        slowest_ms: Math.max(...tookMs),
        records_per_s: (head.size - from) / (p50Ms / 1000),
      },
    };
  } finally {
    await judged.close();
  }
}

async function openFilled(dir: string, runs: number) {
  const place = makePlace(dir);
  return { place, filled: await fill(place, runs), config: readConfig(place.env) };
}

/** The tree at a whole tile, out of stored tiles: nobody has to believe it, since the batches after it come out only if it is right. */
async function frontierAt(checking: Checking, { tenantId, log }: LogPlace, size: number): Promise<Frontier> {
  if (size === 0) return { size, hashes: [] };
  const hashes = await inTenant(checking.db, 'reader', tenantId, (tx) =>
    overTiles(tx, tenantId, { log, size: size + 1 }, (read) =>
      rangeProof({ begin: size, end: size + 1, size: size + 1 }, read),
    ),
  );
  if (hashes === null) throw new Error(`tiles of ${log} below ${size} are gone`);
  return { size, hashes };
}

/** As a round of the server's checks does it, for one log. @throws Error for any finding, and when the end was not reached */
async function checkNew(
  checking: Checking,
  { place, head, frontier }: { readonly place: LogPlace; readonly head: HeadRow; readonly frontier: Frontier },
): Promise<void> {
  const findings: Finding[] = [];
  const tell = (said: Omit<Finding, 'check'>): void => void findings.push(findingOf(said));
  const state = await stateOf(checking, place, head);
  const { verified } = await checkRange(checking, state, {
    place,
    from: frontier,
    below: state.size,
    depth: 'beside',
    tilesAtOnce: 1,
    tell,
    onProgress: () => undefined,
    breathe: () => null,
    countFrom: 0,
  });
  await checkMemory(checking, place, tell);
  await checkGeneration(checking, place, head, tell);
  await checkBeyond(checking, place, tell);
  if (findings.length > 0 || verified !== head.size)
    throw new Error(
      `a sound log was found to be none: ${JSON.stringify({ verified, findings: findings.slice(0, 3) })}`,
    );
}
