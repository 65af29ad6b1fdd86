import { type LogPlace, NOTHING, type Range, whole, within } from './checking.js';
import { copyOut, literal } from './copyOut.js';
import type { Tx } from './database.js';
import { sql } from './sql.js';

// Rows of `leaf` as the checks read them.

/** What V1 to V5 ask of a row of `leaf`. */
export interface TreeLeaf {
  readonly index: number;
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
  readonly recordedAt: string;
  /** Bytes of the body; null: there is none. */
  readonly bodySize: number | null;
}

/** One row of `leaf`, with everything in it. */
export interface FullLeaf extends TreeLeaf {
  readonly kind: string;
  readonly occurredAt: string;
  readonly eventKey: Buffer;
  readonly traceId: Buffer | null;
  readonly runId: string | null;
  /** Null: there is none, or one that is read by itself. */
  readonly body: Buffer | null;
  readonly digest: Buffer;
  readonly dk: string | null;
}

/** Bodies of more bytes are read one by one: a producer may send spans as long as a request, thousands in a row. */
const LARGE_BODY = 32_768;

/** The leaves of a range that are there, in order, and how many bytes that was. Primary key of `leaf`. */
export async function readLeaves(
  tx: Tx,
  place: LogPlace,
  range: Range,
): Promise<{ readonly leaves: FullLeaf[]; readonly bytes: number }> {
  const rows = await copyOut(
    tx,
    `select leaf_index, kind, leaf, leaf_hash, event_key, trace_id, run_id, occurred_at, recorded_at,
            case when octet_length(body) <= ${LARGE_BODY} then body end, octet_length(body), digest, dk
       from sworn.leaf where ${within(place, range)} order by leaf_index`,
  );
  const leaves: FullLeaf[] = [];
  while (rows.next()) {
    leaves.push({
      index: rows.number() as number,
      kind: rows.text() ?? '',
      leaf: rows.bytes() ?? NOTHING,
      leafHash: rows.bytes() ?? NOTHING,
      eventKey: rows.bytes() ?? NOTHING,
      traceId: rows.bytes(),
      runId: rows.text(),
      occurredAt: rows.time() ?? '',
      recordedAt: rows.time() ?? '',
      body: rows.bytes(),
      bodySize: rows.number(),
      digest: rows.bytes() ?? NOTHING,
      dk: rows.uuid(),
    });
  }
  return { leaves, bytes: rows.bytesRead };
}

/** The leaves of a range that are there, in order, without their bodies and most columns, and how many bytes that was. Primary key of `leaf`. */
export async function readTreeLeaves(
  tx: Tx,
  place: LogPlace,
  range: Range,
): Promise<{ readonly leaves: TreeLeaf[]; readonly bytes: number }> {
  const rows = await copyOut(
    tx,
    `select leaf_index, leaf, leaf_hash, recorded_at, octet_length(body)
       from sworn.leaf where ${within(place, range)} order by leaf_index`,
  );
  const leaves: TreeLeaf[] = [];
  while (rows.next()) {
    leaves.push({
      index: rows.number() as number,
      leaf: rows.bytes() ?? NOTHING,
      leafHash: rows.bytes() ?? NOTHING,
      recordedAt: rows.time() ?? '',
      bodySize: rows.number(),
    });
  }
  return { leaves, bytes: rows.bytesRead };
}

/** A leaf's body; null: there is none, or none any more. Primary key of `leaf`, as `isLeafAt` (entryPlaces.ts) says. */
export async function readBody(tx: Tx, { tenantId, log }: LogPlace, index: number): Promise<Buffer | null> {
  const rows = await copyOut(
    tx,
    `select body from sworn.leaf
      where tenant_id = ${literal(tenantId)} and log = (select ${literal(log)}) and leaf_index = ${whole(index)} limit 1`,
  );
  return rows.next() ? rows.bytes() : null;
}

/** Which of these data keys are there. Primary key of `data_key`. */
export async function readKeysThere(tx: Tx, tenantId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ dk: string }>(sql`
    select k.dk from unnest(${[...ids]}::uuid[]) as k(dk)
     where exists (select from sworn.data_key d where d.tenant_id = ${tenantId}::uuid and d.dk = k.dk)`);
  return new Set(rows.map(({ dk }) => dk));
}
