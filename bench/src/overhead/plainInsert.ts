import type { Topic } from '@sworn/evidence';
import type { Database } from '@sworn/server';
import {
  findByEventKey,
  inTenant,
  insertLeaves,
  type LeafDraft,
  type LeafRow,
  lockHeads,
  type LogHead,
  readClock,
  type Tx,
} from '@sworn/server/measured';

/**
 * The sequencer's insert (`record/sequencer.ts`) without what makes a log of it: the same lock, clock, look-up of event keys, numbering, rows, projections and
 * commit, but no leaf hash, frontier, tile, authenticator or root. Where a hash has its column the digest stands, which is as long and there already.
 * @returns rows that were inserted
 */
export async function insertPlain(db: Database, tenantId: string, drafts: readonly LeafDraft[]): Promise<number> {
  const topics = [...new Set(drafts.map(({ topic }) => topic))];
  return inTenant(db, 'writer', tenantId, async (tx) => {
    const heads = new Map((await lockHeads(tx, tenantId, topics)).map((head) => [head.topic, head]));
    const headOf = (topic: Topic): LogHead => {
      const head = heads.get(topic);
      if (head === undefined) throw new Error(`tenant ${tenantId} has no open log ${topic}`);
      return head;
    };
    const now = await readClock(tx);
    const keys = drafts.map(({ topic, eventKey }) => ({ log: headOf(topic).log, eventKey }));
    const known = await findByEventKey(tx, tenantId, keys);
    const rows = number(drafts, new Map(known.map(({ ordinal, leafHash }) => [ordinal, leafHash])), headOf, now);
    await insertLeaves(tx, tenantId, rows);
    await moveHeads(tx, tenantId, rows);
    return rows.length;
  });
}

/** `record/numbering.ts` without hashing; `known`: what stands for the hash of a draft's event key. A conflict is none here: every span has new ids. */
function number(
  drafts: readonly LeafDraft[],
  known: ReadonlyMap<number, Uint8Array>,
  headOf: (topic: Topic) => LogHead,
  now: string,
): readonly LeafRow[] {
  const rows: LeafRow[] = [];
  const taken = new Set<string>();
  const resourceDigits = new Map<string, Buffer>();
  const next = new Map<Topic, number>();
  const recordedAtBytes = Buffer.from(now, 'latin1');
  const settle = (draft: LeafDraft, ordinal: number): void => {
    const key = hexOf(draft.eventKey);
    const identity = `${draft.topic}/${key}`;
    const standIn = known.get(ordinal) ?? draft.digest;
    if (draft.topic === 'system') resourceDigits.set(key, Buffer.from(hexOf(standIn), 'latin1'));
    if (taken.has(identity) || known.has(ordinal)) return;
    taken.add(identity);
    const index = next.get(draft.topic) ?? headOf(draft.topic).nextIndex;
    next.set(draft.topic, index + 1);
    draft.leaf.set(recordedAtBytes, draft.recordedAtOffset);
    for (const place of draft.places) {
      const digits = resourceDigits.get(place.eventKey);
      if (digits === undefined) throw new Error('a leaf names a resource that is not in its call');
      draft.leaf.set(digits, place.offset);
    }
    rows.push({ draft, log: headOf(draft.topic).log, index, leafHash: standIn, recordedAt: now });
  };
  drafts.forEach((draft, ordinal) => {
    if (draft.places.length === 0) settle(draft, ordinal);
  });
  drafts.forEach((draft, ordinal) => {
    if (draft.places.length > 0) settle(draft, ordinal);
  });
  return rows;
}

/** Counts on, and says when. */
async function moveHeads(tx: Tx, tenantId: string, rows: readonly LeafRow[]): Promise<void> {
  const last = new Map(rows.map((row) => [row.log, row]));
  await tx.client.query({
    name: 'bench_move_heads',
    text: `update sworn.log_head h set next_index = m.next_index, last_recorded_at = m.at
      from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as m(log, next_index, at)
     where h.tenant_id = $4::uuid and h.log = m.log`,
    values: [
      [...last.keys()],
      [...last.values()].map(({ index }) => index + 1),
      [...last.values()].map(({ recordedAt }) => recordedAt),
      tenantId,
    ],
  });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
