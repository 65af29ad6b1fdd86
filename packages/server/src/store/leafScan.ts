import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A part of one log, and what is looked for in the bytes of its leaves. */
export interface LeafScan {
  readonly log: string;
  readonly from: number;
  readonly below: number;
  /** A leaf is found where one of each of these stands in it. */
  readonly kinds: readonly Uint8Array[];
  readonly texts: readonly Uint8Array[];
}

/** A leaf that was found, or one whose bytes are not those of its hash. */
export interface ScannedLeaf {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** What a part of a log holds. */
export interface ScannedPart {
  readonly found: readonly ScannedLeaf[];
  /** Leaves that are there. */
  readonly count: number;
  /** Index of the first that is there; null: none is. */
  readonly first: number | null;
}

/**
 * Looks through every leaf of a part of a log, by its bytes alone: no column beside them decides what is found. Reads all of them, so a part is a few
 * thousand. Primary key of `leaf`.
 */
export async function scanLeaves(
  tx: Tx,
  tenantId: string,
  { log, from, below, kinds, texts }: LeafScan,
): Promise<ScannedPart> {
  const part = sql`tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from} and leaf_index < ${below}`;
  const holds = (some: readonly Uint8Array[]) =>
    sql`exists (select from unnest(${[...some]}::bytea[]) as asked(one) where position(asked.one in leaf) > 0)`;
  const found = await tx.query<ScannedLeaf>(sql`
    select log, leaf_index as index, leaf, leaf_hash as "leafHash" from sworn.leaf
     where ${part} and (leaf_hash is distinct from sha256('\\x00'::bytea || leaf) or (${holds(kinds)} and ${holds(texts)}))
     order by leaf_index`);
  const [there] = await tx.query<{ count: number; first: number | null }>(sql`
    select count(*)::int as count, min(leaf_index) as first from sworn.leaf where ${part}`);
  return { found, count: there?.count ?? 0, first: there?.first ?? null };
}
