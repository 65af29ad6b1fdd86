import type { Finding, Proof } from '@sworn/contract';
import { base64, inclusionProof, verifyInclusion } from '@sworn/evidence';
import type { StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import type { StoredLeaf } from '../store/runs.js';
import { overTiles } from './tiles.js';

/** A proof, or that the leaf does not lie under the checkpoint that covers it. */
export type Proven =
  | { readonly kind: 'proven'; readonly proof: Proof }
  | { readonly kind: 'compromised'; readonly finding: Finding };

/**
 * Inclusion proof of a leaf against the first checkpoint that covers it, verified, so that the proof never changes once it is there.
 * The path is built from stored tiles and leaf hashes and checked before it leaves: an answer never carries a proof that fails.
 */
export async function proofOf(
  tx: Tx,
  tenantId: string,
  stored: Pick<StoredLeaf, 'log' | 'index' | 'leaf' | 'leafHash'>,
  checkpoint: StoredCheckpoint | null,
): Promise<Proven> {
  const { log, index, leaf } = stored;
  if (checkpoint === null) {
    return { kind: 'proven', proof: { leaf: base64(leaf), index, size: null, path: [], checkpoint: null } };
  }
  const { size, root, note } = checkpoint;
  const path = await overTiles(tx, tenantId, { log, size }, (read) => inclusionProof(index, size, read));
  const compromised = (check: Finding['check'], code: Finding['code'], detail: string): Proven => ({
    kind: 'compromised',
    finding: { check, code, log, leaf_index: index, detail },
  });
  if (path === null) return compromised('V5', 'MISSING_UNAUTHORISED', `leaves or tiles below size ${size} are gone`);
  if (!verifyInclusion({ index, size, leafHash: stored.leafHash, path, root })) {
    return compromised('V3', 'NOT_UNDER_CHECKPOINT', `the leaf does not lie under the checkpoint of size ${size}`);
  }
  return {
    kind: 'proven',
    proof: { leaf: base64(leaf), index, size, path: path.map(base64), checkpoint: note },
  };
}
