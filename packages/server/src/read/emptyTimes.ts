import { readNewestTimes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readTenant } from '../store/tenant.js';
import type { Pin } from './reading.js';

/** Times of a page without records: those of the newest record at the pin of the first log that has one, else of the tenant's creation. */
export async function emptyTimes(
  tx: Tx,
  tenantId: string,
  pins: readonly Pin[],
): Promise<{ readonly occurredAt: string; readonly recordedAt: string }> {
  for (const { log, size } of pins) {
    const times = await readNewestTimes(tx, tenantId, log, size);
    if (times !== null) return times;
  }
  const created = (await readTenant(tx, tenantId))?.createdAt;
  if (created === undefined) throw new Error('a tenant that has a credential has a row');
  return { occurredAt: created, recordedAt: created };
}
