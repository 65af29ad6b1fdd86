import type { AskedProof, Integrity, IntegrityQuery } from '@sworn/contract';
import {
  base64,
  consistencyProof,
  hex,
  inclusionProof,
  topicOfLog,
  verifyConsistency,
  verifyInclusion,
} from '@sworn/evidence';
import { invalidParameter, Refusal } from '../access/refusal.js';
import type { Grant } from '../access/ruling.js';
import { readOwnCursors, readOwnRound } from '../check/ownState.js';
import type { OpenFinding } from '../check/register.js';
import { type CheckCursor, isWaiting, readSeen } from '../store/checkState.js';
import { type HeadRow, readCheckpointAt, readHeads, readNewestCheckpoint } from '../store/checking.js';
import {
  type LogSize,
  readCovering,
  readLogSizes,
  readNewestTimes,
  type StoredCheckpoint,
} from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import { countOpenRuns } from '../store/openRuns.js';
import { readLeafAt } from '../store/steps.js';
import { aggregateMetadata } from './metadata.js';
import type { ReadDeps, Reading } from './reading.js';
import { compromisedRecord } from './settled.js';
import { overTiles } from './tiles.js';

/** Findings shown; the rest is counted. */
const SHOWN = 1_000;
/** A minute, and as long again for a check that is slow. */
const WAITING_MS = 120_000;
/** The checks go round every ten seconds, and note it while they are at work. Without a word for so long, nobody looks. */
const SILENT_MS = 600_000;
/** All of a log is looked at in seven days, and once more by how long an outage may be. */
const SCRUB_MS = 8 * 86_400_000;

/** Endpoint 17: what of the record was checked, what was found, and on demand a proof. Of logs that a key is not for, only how many. @throws Refusal */
export async function integrity(
  deps: ReadDeps,
  grant: Pick<Grant, 'tenantId' | 'logs' | 'rule'>,
  query: IntegrityQuery,
): Promise<Reading<Integrity>> {
  const { tenantId } = grant;
  demandWhole(query);
  if (query.log !== undefined && !isFor(grant, query.log))
    throw new Refusal('permission_denied', `${grant.rule.id}: the key is not for records of ${query.log}`, {
      rule: grant.rule.id,
    });
  return inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const sizes = await readLogSizes(tx, tenantId);
      const heads = await readHeads(tx, tenantId);
      const asked = query.log === undefined ? heads : heads.filter(({ log }) => log === query.log);
      const shownHeads = asked.filter(({ log }) => isFor(grant, log));
      if (asked.length === 0) throw invalidParameter('log', 'names no log of this tenant');
      const open = await deps.openFindings(tx, tenantId);
      const { ours: cursors } = await readOwnCursors(deps, tx, tenantId);
      const round = await readOwnRound(deps, tx);
      const isSilent = round === null || isOver(round, SILENT_MS);
      const logs = [];
      for (const head of shownHeads)
        logs.push(await logOf(deps, tx, { tenantId, head, cursor: cursors.get(head.log) ?? null, open, isSilent }));
      const about = open.filter(({ log }) => (query.log === undefined || log === query.log) && isFor(grant, log));
      const isOfRuns = shownHeads.some(({ log }) => log.startsWith('llm-runs'));
      const runs = isOfRuns ? await countOpenRuns(tx, tenantId) : 0;
      const pins = shownHeads.map(({ log, size }) => ({ log, size }));
      return {
        answer: {
          logs,
          logs_withheld: asked.length - shownHeads.length,
          findings: await shownFindings(tx, tenantId, about.slice(0, SHOWN)),
          more_findings: Math.max(0, about.length - SHOWN),
          anomalies: anomaliesOf(shownHeads, cursors, runs),
          proof: await askedProof(deps, tx, tenantId, query),
          metadata: aggregateMetadata({
            tenantId,
            items: [],
            pins,
            whenEmpty: await newestTimes(tx, tenantId, sizes),
            sound: true,
          }),
        },
        pins,
        count: logs.length,
        sizes,
      };
    },
    { readOnly: true, snapshot: true },
  );
}

/** Whether a key is for the records of a log. What is of no topic is about the installation. */
function isFor({ logs }: Pick<Grant, 'logs'>, log: string): boolean {
  const topic = topicOfLog(log);
  return topic === null || logs?.has(topic) !== false;
}

/** What producers sent that is odd, of which there is any. */
function anomaliesOf(
  heads: readonly HeadRow[],
  cursors: ReadonlyMap<string, CheckCursor>,
  unsealed: number,
): Integrity['anomalies'] {
  const counted = heads.flatMap(({ log }) => {
    const { conflicts = 0, skewed = 0, gaps = 0 } = cursors.get(log) ?? {};
    return [
      {
        kind: 'CONFLICTS',
        log,
        count: conflicts,
        detail: 'spans that were sent again with other content; the first copy counts',
      } as const,
      {
        kind: 'SKEWED_STEPS',
        log,
        count: skewed,
        detail: 'steps that end before they start, or start over a minute after they came in',
      } as const,
      {
        kind: 'GAPS',
        log,
        count: gaps,
        detail: 'times that a producer that should report fell silent: GET /system?event_type=TELEMETRY_GAP has them',
      } as const,
    ];
  });
  const runs = {
    kind: 'UNSEALED_RUNS',
    log: 'llm-runs',
    count: unsealed,
    detail: 'runs that are not over, or whose end never came',
  } as const;
  return [...counted, runs].filter(({ count }) => count > 0);
}

/** @throws Refusal `invalid_parameter` for half of a question */
function demandWhole({ log, leaf_index: index, from_size: from, size }: IntegrityQuery): void {
  if (log === undefined && (index !== undefined || from !== undefined))
    throw invalidParameter('log', 'is needed for a proof: which log it is of');
  if (index !== undefined && from !== undefined)
    throw invalidParameter('from_size', 'asks for another proof than leaf_index: ask for one at a time');
  if (size !== undefined && index === undefined && from === undefined)
    throw invalidParameter('size', 'is that of a proof: give leaf_index or from_size too');
}

interface OneLog {
  readonly tenantId: string;
  readonly head: HeadRow;
  readonly cursor: CheckCursor | null;
  readonly open: readonly OpenFinding[];
  /** Nobody went round the logs for longer than that takes. */
  readonly isSilent: boolean;
}

function isOver(since: string, ms: number): boolean {
  return Date.now() - Date.parse(since) > ms;
}

async function logOf(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, head, cursor, open, isSilent }: OneLog,
): Promise<Integrity['logs'][number]> {
  const { log, size, closed } = head;
  const newest = await readNewestCheckpoint(tx, { tenantId, log });
  const isOurs = newest !== null && (await deps.verifyCheckpoint(tenantId, log, newest));
  const here = open.filter((finding) => finding.log === log && finding.check !== 'V11').length;
  const verified = Math.min(cursor?.verified ?? 0, size);
  // New records are checked within a minute: one that has waited longer is not vouched for by what was checked before it.
  const isBehind =
    verified < size && (verified === 0 || (await isWaiting(tx, { tenantId, log }, verified, WAITING_MS)));
  const isOverdue = isSilent || (cursor !== null && isOver(cursor.scrubBeganAt, SCRUB_MS));
  const isDamaged = here > 0 || (newest !== null && !isOurs);
  return {
    log,
    origin: deps.originOf(tenantId, log),
    verdict: isDamaged ? 'compromised' : isBehind || isOverdue ? 'not_verified' : 'verified',
    size,
    verified_size: verified,
    closed,
    checked_at: cursor?.checkedAt ?? null,
    scrubbed_at: cursor?.scrubbedAt ?? null,
    checkpoint_size: isOurs ? newest.size : null,
    checkpoint_root: isOurs ? hex(newest.root) : null,
    checkpoint_at: isOurs ? newest.signedAt : null,
    checkpoint: isOurs ? newest.note : null,
    open_findings: here,
  };
}

async function shownFindings(tx: Tx, tenantId: string, open: readonly OpenFinding[]): Promise<Integrity['findings']> {
  const seen = await readSeen(
    tx,
    tenantId,
    open.map(({ id }) => id),
  );
  return open.map((finding) => ({
    id: finding.id,
    check: finding.check,
    code: finding.code,
    log: finding.log,
    leaf_index: finding.index,
    last_index: finding.to ?? finding.index,
    table: finding.table,
    expected: finding.expected,
    found: finding.found,
    opened_at: finding.openedAt,
    last_seen_at: seen.get(finding.id) ?? null,
    control_index: finding.controlIndex,
  }));
}

/** A proof between stored checkpoints that we signed; it is verified before it leaves. */
async function askedProof(deps: ReadDeps, tx: Tx, tenantId: string, query: IntegrityQuery): Promise<AskedProof | null> {
  const { log, leaf_index: index, from_size: from, size } = query;
  if (log === undefined || (index === undefined && from === undefined)) return null;
  const to = await checkpointFor(deps, tx, tenantId, { log, size, index });
  if (index !== undefined) {
    if (index >= to.size) throw invalidParameter('leaf_index', `is not below size ${to.size}`);
    return inclusion(tx, tenantId, { log, index, to });
  }
  const start = await ours(deps, tx, tenantId, { log, size: from ?? 0 }, 'from_size');
  if (start.size > to.size) throw invalidParameter('from_size', `is beyond size ${to.size}`);
  const path = await overTiles(tx, tenantId, { log, size: to.size }, (read) =>
    consistencyProof(start.size, to.size, read),
  );
  const claim = { from: start.size, to: to.size, fromRoot: start.root, toRoot: to.root };
  if (path === null || !verifyConsistency({ ...claim, path }))
    throw broken(log, start.size - 1, 'the two checkpoints are not those of one history');
  return {
    kind: 'consistency',
    log,
    leaf_index: null,
    leaf_hash: null,
    from_size: start.size,
    size: to.size,
    path: path.map(base64),
    from_checkpoint: start.note,
    checkpoint: to.note,
  };
}

async function inclusion(
  tx: Tx,
  tenantId: string,
  { log, index, to }: { readonly log: string; readonly index: number; readonly to: StoredCheckpoint },
): Promise<AskedProof> {
  const leaf = await readLeafAt(tx, tenantId, log, index);
  const path = await overTiles(tx, tenantId, { log, size: to.size }, (read) => inclusionProof(index, to.size, read));
  if (leaf === null)
    throw new Refusal('not_found', 'the leaf is not there: GET /audit/integrity says whether it may be gone');
  if (path === null || !verifyInclusion({ index, size: to.size, leafHash: leaf.leafHash, path, root: to.root }))
    throw broken(log, index, `the leaf does not lie under the checkpoint of size ${to.size}`, leaf.leaf);
  return {
    kind: 'inclusion',
    log,
    leaf_index: index,
    leaf_hash: hex(leaf.leafHash),
    from_size: null,
    size: to.size,
    path: path.map(base64),
    from_checkpoint: null,
    checkpoint: to.note,
  };
}

/** The checkpoint that a proof is against: that of the asked size; else for a leaf the first that covers it, and the newest. */
async function checkpointFor(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { log, size, index }: { readonly log: string; readonly size: number | undefined; readonly index: number | undefined },
): Promise<StoredCheckpoint> {
  if (size !== undefined) return ours(deps, tx, tenantId, { log, size }, 'size');
  const found =
    index === undefined
      ? await readNewestCheckpoint(tx, { tenantId, log })
      : await readCovering(tx, tenantId, log, index);
  if (found === null)
    throw invalidParameter(
      index === undefined ? 'from_size' : 'leaf_index',
      'lies under no checkpoint yet; that takes about a second',
    );
  if (!(await deps.verifyCheckpoint(tenantId, log, found))) throw unsigned(log, found.size);
  return found;
}

async function ours(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { log, size }: { readonly log: string; readonly size: number },
  parameter: string,
): Promise<StoredCheckpoint> {
  const found = await readCheckpointAt(tx, { tenantId, log }, size);
  if (found === null)
    throw invalidParameter(
      parameter,
      'is the size of no checkpoint; each stored one is signed, and proofs go from one to another',
    );
  if (!(await deps.verifyCheckpoint(tenantId, log, found))) throw unsigned(log, size);
  return found;
}

function unsigned(log: string, size: number): Refusal {
  const detail = `the checkpoint of size ${size} does not carry our signature over this log, size and root`;
  return compromisedRecord(
    { check: 'V1', code: 'CHECKPOINT_INVALID', log, leaf_index: size - 1, detail },
    new Uint8Array(),
  );
}

function broken(log: string, index: number, detail: string, leaf: Uint8Array = new Uint8Array()): Refusal {
  return compromisedRecord({ check: 'V3', code: 'NOT_UNDER_CHECKPOINT', log, leaf_index: index, detail }, leaf);
}

async function newestTimes(tx: Tx, tenantId: string, sizes: readonly LogSize[]) {
  const found = [];
  for (const { log, size } of sizes) {
    const times = await readNewestTimes(tx, tenantId, log, size);
    if (times !== null) found.push(times);
  }
  const newest = found.toSorted((a, b) => (a.recordedAt < b.recordedAt ? 1 : -1))[0];
  // A tenant has a `control` leaf that says it was made.
  if (newest === undefined) throw new Error('a tenant without a record');
  return newest;
}
