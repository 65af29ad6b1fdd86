import type { Finding } from '@sworn/contract';
import { equalBytes } from '@sworn/evidence';
import { signedCheckpoint } from '../sign/ourCheckpoint.js';
import type { StoredCheckpoint } from '../store/checkpointRead.js';

/** Whether a stored checkpoint is one that we signed, of this log, size and root. A row that is not covers nothing: whoever owns the database can write rows. */
export type VerifyCheckpoint = (tenantId: string, log: string, stored: StoredCheckpoint) => boolean;

/** Notes remembered as ours, about 500 bytes each; what does not verify is never remembered. */
const NOTES_HELD = 10_000;

/** Verifies against our own public key. A signature costs about 0.1 ms, and a page asks for the same few. */
export function createCheckpointVerifier(deps: {
  /** Raw Ed25519 key of the deployment. */
  readonly publicKey: Uint8Array;
  readonly originOf: (tenantId: string, log: string) => string;
}): VerifyCheckpoint {
  const held = new Map<string, { readonly size: number; readonly root: Uint8Array }>();
  return (tenantId, log, { note, size, root }) => {
    const origin = deps.originOf(tenantId, log);
    const name = `${origin}\0${note}`;
    let said = held.get(name) ?? null;
    if (said === null) {
      said = signedCheckpoint(note, origin, deps.publicKey);
      if (said === null) return false;
      if (held.size >= NOTES_HELD) {
        const oldest = held.keys().next();
        if (!oldest.done) held.delete(oldest.value);
      }
      held.set(name, { size: said.size, root: said.root });
    }
    return said.size === size && equalBytes(said.root, root);
  };
}

/**
 * `covered_at` of a record: our clock's time of the checkpoint row that covers it; null when none does that verifies. The signature is over
 * size and root; the time is the row's, which nothing signs.
 */
export function coveredAt(
  verifyCheckpoint: VerifyCheckpoint,
  tenantId: string,
  { log, covering }: { readonly log: string; readonly covering: StoredCheckpoint | null },
): string | null {
  return covering !== null && verifyCheckpoint(tenantId, log, covering) ? covering.signedAt : null;
}

/** What is said of a record that was asked for by id and is covered by a row that we did not sign. */
export function unsignedCheckpoint(
  { log, index }: { readonly log: string; readonly index: number },
  size: number,
): Finding {
  const detail = `the checkpoint of size ${size} does not carry our signature over this log, size and root`;
  return { check: 'V1', code: 'CHECKPOINT_INVALID', log, leaf_index: index, detail };
}
