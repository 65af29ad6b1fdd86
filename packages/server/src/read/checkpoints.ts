import type { Finding } from '@sworn/contract';
import { equalBytes } from '@sworn/evidence';
import { signedCheckpoint } from '../sign/ourCheckpoint.js';
import { keyAt, type SigningKeysOf } from '../sign/signingKeys.js';
import type { StoredCheckpoint } from '../store/checkpointRead.js';

/**
 * Whether a stored checkpoint is one that we signed, of this log, size and root, with the key that is valid for that size. A row that is not
 * covers nothing: whoever owns the database can write rows, and whoever has a retired key can sign.
 */
export type VerifyCheckpoint = (tenantId: string, log: string, stored: StoredCheckpoint) => Promise<boolean>;

/** Notes remembered as signed, about 500 bytes each; what does not verify is never remembered. */
const NOTES_HELD = 10_000;
/** A key that is retired while it is held here is believed for as long. */
const KEYS_AGE_MS = 5_000;

/** What a note said when it was verified, and under which key. */
interface Verified {
  readonly size: number;
  readonly root: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Verifies against the keys of the tenant's logs. A signature costs about 0.1 ms, and a page asks for the same few. */
export function createCheckpointVerifier(deps: {
  readonly signingKeysOf: SigningKeysOf;
  readonly originOf: (tenantId: string, log: string) => string;
}): VerifyCheckpoint {
  const held = new Map<string, Verified>();

  function verified(name: string, note: string, origin: string, publicKey: Uint8Array): Verified | null {
    const known = held.get(name);
    if (known !== undefined && equalBytes(known.publicKey, publicKey)) return known;
    const said = signedCheckpoint(note, origin, publicKey);
    if (said === null) return null;
    if (held.size >= NOTES_HELD) {
      const oldest = held.keys().next();
      if (!oldest.done) held.delete(oldest.value);
    }
    const one = { size: said.size, root: said.root, publicKey };
    held.set(name, one);
    return one;
  }

  return async (tenantId, log, { note, size, root }) => {
    const origin = deps.originOf(tenantId, log);
    // A note that fails is held against the keys of now: one may have come since.
    for (const age of [KEYS_AGE_MS, 0]) {
      const publicKey = keyAt(await deps.signingKeysOf(tenantId, age), log, size);
      const said = publicKey === null ? null : verified(`${origin}\0${note}`, note, origin, publicKey);
      if (said !== null) return said.size === size && equalBytes(said.root, root);
    }
    return false;
  };
}

/**
 * `covered_at` of a record: our clock's time of the checkpoint row that covers it; null when none does that verifies. The signature is over
 * size and root; the time is the row's, which nothing signs.
 */
export async function coveredAt(
  verifyCheckpoint: VerifyCheckpoint,
  tenantId: string,
  { log, covering }: { readonly log: string; readonly covering: StoredCheckpoint | null },
): Promise<string | null> {
  return covering !== null && (await verifyCheckpoint(tenantId, log, covering)) ? covering.signedAt : null;
}

/** What is said of a record that was asked for by id and is covered by a row that we did not sign. */
export function unsignedCheckpoint(
  { log, index }: { readonly log: string; readonly index: number },
  size: number,
): Finding {
  const detail = `the checkpoint of size ${size} does not carry our signature over this log, size and root`;
  return { check: 'V1', code: 'CHECKPOINT_INVALID', log, leaf_index: index, detail };
}
