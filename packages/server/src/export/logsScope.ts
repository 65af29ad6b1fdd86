import {
  type Drawable,
  drawSample,
  HASH_BYTES,
  isTimestamp,
  LOG_SCOPES,
  type LogScopeName,
  NONCE,
  type PeriodRange,
  type Sample,
  TILE_WIDTH,
  tileWidth,
} from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { checkBytes } from '../read/check.js';
import { unsignedCheckpoint } from '../read/checkpoints.js';
import type { ReadDeps } from '../read/reading.js';
import { compromisedRecord } from '../read/settled.js';
import { hashesOf } from '../read/tiles.js';
import { readCovering, readLogSizes, readNewestCheckpoints, type StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { type ExportedLeaf, readExportedLeaves } from '../store/exporting.js';
import { ExportRefused } from './refused.js';
import type { Pins, ScopedLog } from './scope.js';

/** A bundle of all leaves of some logs that were recorded in a period. */
export interface LogsAsked {
  readonly kind: 'LOGS';
  readonly logs: LogScopeName;
  /** As leaves write times: from the first on, to before the second. */
  readonly from: string;
  readonly to: string;
  readonly sample: Sample | null;
}

/** What is exported of logs. */
export interface LogsFound {
  /** In the order of their names. */
  readonly logs: readonly ScopedLog[];
  /** One for each log. */
  readonly ranges: readonly PeriodRange[];
  readonly population: number;
  /** Topics of the scope of which no log has a checkpoint. */
  readonly uncovered: readonly string[];
}

/** Leaves of a period, whole or as bare hashes: what whoever verifies can hold at once, about 300 MB. */
const MAX_POPULATION = 1_000_000;
/** Leaves of a period that are in the bundle whole, 16 KB each at most. */
const MAX_SHOWN = 200_000;

/**
 * The leaves of the logs that were recorded in the period, with the leaf before and the one after them, by which anyone can tell that they are all. With
 * pins, as it was at those sizes.
 * @throws Refusal `evidence_compromised`; ExportRefused
 */
export async function readLogsScope(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, asked, pins }: { readonly tenantId: string; readonly asked: LogsAsked; readonly pins: Pins | null },
): Promise<LogsFound> {
  refuseUnfit(asked);
  const topics: readonly string[] = LOG_SCOPES[asked.logs];
  const sizes = await readLogSizes(tx, tenantId);
  const found: PeriodOfLog[] = [];
  for (const { log } of sizes
    .filter(({ topic }) => topics.includes(topic))
    .toSorted((a, b) => (a.log < b.log ? -1 : 1))) {
    const newest = await coverAt(deps, tx, { tenantId, log }, pins === null ? null : (pins.get(log) ?? 0));
    if (newest !== null) found.push(await periodOf(deps, tx, { tenantId, log, newest }, asked));
  }
  if (found.length === 0)
    throw new ExportRefused('not_covered', `no checkpoint covers any log of ${asked.logs} yet: try again in a second`);
  const population = found.reduce((sum, { range }) => sum + range.count, 0);
  refuseTooLarge(population, asked.sample);
  const drawn = asked.sample === null ? null : await draw(tx, tenantId, found, asked.sample);
  return {
    logs: found.map((one) => scoped(deps, tenantId, one, drawn === null ? null : (drawn.get(one.log) ?? new Set()))),
    ranges: found.map(({ range }) => range),
    population,
    uncovered: topics.filter(
      (topic) => !found.some(({ log }) => sizes.some((s) => s.log === log && s.topic === topic)),
    ),
  };
}

function refuseUnfit({ from, to, sample }: LogsAsked): void {
  if (!isTimestamp(from) || !isTimestamp(to) || from >= to)
    throw new Refusal('invalid_parameter', 'a period runs from a time to a later one');
  const isFit = sample === null || (sample.size === 0 ? sample.nonce === null : NONCE.test(sample.nonce ?? ''));
  if (!isFit)
    throw new Refusal(
      'invalid_parameter',
      'a sample of some has a nonce of 16 to 128 letters, digits, . _ or -; of 0, none',
    );
}

function refuseTooLarge(population: number, sample: Sample | null): void {
  if (population > MAX_POPULATION)
    throw new ExportRefused(
      'too_large',
      `${population} records were recorded in the period, and a bundle has at most ${MAX_POPULATION}: choose a shorter one`,
    );
  if (Math.min(population, sample?.size ?? population) > MAX_SHOWN)
    throw new ExportRefused(
      'too_large',
      `${population} records were recorded in the period, and a bundle shows at most ${MAX_SHOWN}: choose a shorter one, or draw a sample`,
    );
}

interface PeriodOfLog {
  readonly log: string;
  readonly range: PeriodRange;
  readonly checkpoint: StoredCheckpoint;
}

interface LogPlace {
  readonly tenantId: string;
  readonly log: string;
}

/** The newest checkpoint of a log, or that of a size; null: it has none. */
async function coverAt(
  { verifyCheckpoint }: ReadDeps,
  tx: Tx,
  { tenantId, log }: LogPlace,
  size: number | null,
): Promise<StoredCheckpoint | null> {
  if (size === 0) return null;
  const asked = { below: size === null ? Number.MAX_SAFE_INTEGER : size + 1, limit: 1 };
  const [row] = await readNewestCheckpoints(tx, tenantId, log, asked);
  if (row === undefined || (size !== null && row.size !== size)) return null;
  if (await verifyCheckpoint(tenantId, log, row)) return row;
  throw compromisedRecord(unsignedCheckpoint({ log, index: row.size - 1 }, row.size), new Uint8Array());
}

/** Which leaves of a log were recorded in the period, and the first checkpoint that covers them and the leaf after them; where there is none, the newest. */
async function periodOf(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, log, newest }: LogPlace & { readonly newest: StoredCheckpoint },
  { from, to }: LogsAsked,
): Promise<PeriodOfLog> {
  const place = { tenantId, log };
  const first = await firstFrom(deps, tx, place, { time: from, begin: 0, end: newest.size });
  const end = await firstFrom(deps, tx, place, { time: to, begin: first, end: newest.size });
  const after = end < newest.size ? end : null;
  const range = { log, first, count: end - first, before: first === 0 ? null : first - 1, after };
  if (after === null) return { log, range, checkpoint: newest };
  const covering = await readCovering(tx, tenantId, log, after);
  const checkpoint = covering === null ? null : await coverAt(deps, tx, place, covering.size);
  if (checkpoint === null) throw new Error('a leaf below a checkpoint is covered by one');
  return { log, range, checkpoint };
}

/** The first leaf that was recorded at `time` or later: in halves, by what leaves say, since `recorded_at` never goes back. `end`: none was. */
async function firstFrom(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, log }: LogPlace,
  { time, begin, end }: { readonly time: string; readonly begin: number; readonly end: number },
): Promise<number> {
  let [low, high] = [begin, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [leaf] = await readExportedLeaves(tx, tenantId, log, [middle]);
    if (recordedAt(deps, tenantId, leaf, { log, index: middle }) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function recordedAt(
  { originOf }: ReadDeps,
  tenantId: string,
  leaf: ExportedLeaf | undefined,
  { log, index }: { readonly log: string; readonly index: number },
): string {
  if (leaf === undefined) {
    const finding = {
      check: 'V5',
      code: 'MISSING_UNAUTHORISED',
      log,
      leaf_index: index,
      detail: 'the leaf is gone',
    } as const;
    throw compromisedRecord(finding, new Uint8Array());
  }
  const checked = checkBytes(leaf, originOf(tenantId, log));
  if (checked.kind === 'compromised') throw compromisedRecord(checked.finding, leaf.leaf);
  return checked.members.text('recorded_at') ?? '';
}

/** Draws from the leaf hashes that the tree is made of. */
async function draw(tx: Tx, tenantId: string, found: readonly PeriodOfLog[], { size, nonce }: Sample) {
  const hashed: (PeriodOfLog & { readonly hashes: Uint8Array })[] = [];
  for (const one of found) {
    const { first, count } = one.range;
    const span = { first, count, size: one.checkpoint.size };
    hashed.push({ ...one, hashes: await readLeafHashes(tx, { tenantId, log: one.log }, span) });
  }
  return drawSample(drawables(hashed), { size, nonce: nonce ?? '' });
}

function* drawables(found: readonly (PeriodOfLog & { readonly hashes: Uint8Array })[]): Generator<Drawable> {
  for (const { log, range, checkpoint, hashes } of found)
    for (let at = 0; at < range.count; at++)
      yield {
        log,
        index: range.first + at,
        root: checkpoint.root,
        leafHash: hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
      };
}

/** Hashes of leaves side by side, 32 bytes each, as the tiles have them. @throws Refusal `evidence_compromised` */
export async function readLeafHashes(
  tx: Tx,
  { tenantId, log }: LogPlace,
  { first, count, size }: { readonly first: number; readonly count: number; readonly size: number },
): Promise<Uint8Array> {
  const hashes = new Uint8Array(count * HASH_BYTES);
  for (let at = Math.floor(first / TILE_WIDTH); at * TILE_WIDTH < first + count; at++) {
    const begin = at * TILE_WIDTH;
    const tile = await hashesOf(tx, tenantId, log, { level: 0, at, width: tileWidth(0, at, size) });
    if (tile === null) {
      const detail = 'leaves or tiles of it are gone';
      throw compromisedRecord(
        { check: 'V3', code: 'NOT_UNDER_CHECKPOINT', log, leaf_index: Math.max(first, begin), detail },
        new Uint8Array(),
      );
    }
    const from = Math.max(0, first - begin);
    const to = Math.min(TILE_WIDTH, first + count - begin);
    hashes.set(tile.subarray(from * HASH_BYTES, to * HASH_BYTES), (begin + from - first) * HASH_BYTES);
  }
  return hashes;
}

/** The log with the leaves that are shown, those that are withheld, and those around them. */
function scoped(
  { originOf }: ReadDeps,
  tenantId: string,
  { log, range, checkpoint }: PeriodOfLog,
  drawn: ReadonlySet<number> | null,
): ScopedLog {
  const { first, count, before, after } = range;
  const all = Array.from({ length: count }, (_, at) => first + at);
  return {
    log,
    origin: originOf(tenantId, log),
    indexes: drawn === null ? all : all.filter((index) => drawn.has(index)),
    checkpoint,
    beside: {
      withheld: drawn === null ? [] : all.filter((index) => !drawn.has(index)),
      boundary: [before, after].filter((index) => index !== null),
    },
  };
}
