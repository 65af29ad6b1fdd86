import { parseRecordId } from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { inTenant } from '../store/database.js';
import { readLogSizes } from '../store/checkpointRead.js';
import { readLeafAt } from '../store/steps.js';
import type { ReadDeps, Reading } from './reading.js';

/** The exact stored bytes of one leaf, unchecked: they are what the caller wants to check. */
export interface LeafBytes {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Reads a leaf by its record id. The caller records the read before it shows the bytes. @throws Refusal `not_found`. */
export async function leafBytes(deps: Pick<ReadDeps, 'db'>, tenantId: string, id: string): Promise<Reading<LeafBytes>> {
  const place = parseRecordId(id);
  if (place === null) throw new Refusal('not_found', 'that is not a record id');
  return inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const sizes = await readLogSizes(tx, tenantId);
      const log = sizes.find((l) => l.topic === place.topic && l.generation === place.generation);
      const stored = log === undefined ? null : await readLeafAt(tx, tenantId, log.log, place.index);
      if (log === undefined || stored === null) throw new Refusal('not_found', 'there is no such record');
      const answer = { log: stored.log, index: stored.index, leaf: stored.leaf, leafHash: stored.leafHash };
      return { answer, pins: [{ log: log.log, size: log.size }], count: 1, sizes };
    },
    { readOnly: true, snapshot: true },
  );
}
