import type { RecordMetadata } from '@sworn/contract';
import { isConfirmation } from '../sign/confirmation.js';
import type { LogSize } from '../store/checkpointRead.js';
import type { ReadDeps } from './reading.js';

type Tier = RecordMetadata['integrity']['tier'];

/** That a verified checkpoint covers a record: when, by our clock, and who else holds one that does. */
export interface Covered {
  readonly at: string;
  readonly tier: Tier;
}

/** Says of a record what covers it; `at`: time of the verified checkpoint, null when there is none. */
export type CoveredBy = (place: { readonly log: string; readonly index: number }, at: string | null) => Covered | null;

/**
 * A record is EXTERNALLY_HELD when a sink out of reach of the database's owner confirmed a checkpoint, which is stored here, that is larger than
 * its index (docs/decisions/0015). By the confirmations that came with the sizes of the tenant's logs.
 */
export function coveredBy(
  { directoryKey, originOf }: Pick<ReadDeps, 'directoryKey' | 'originOf'>,
  tenantId: string,
  sizes: readonly LogSize[],
): CoveredBy {
  const heldBelow = new Map<string, number>();
  for (const { log, held } of sizes)
    if (held !== null && isConfirmation(directoryKey, originOf(tenantId, log), held)) heldBelow.set(log, held.size);
  return ({ log, index }, at) =>
    at === null ? null : { at, tier: index < (heldBelow.get(log) ?? 0) ? 'EXTERNALLY_HELD' : 'SELF_ATTESTED' };
}
