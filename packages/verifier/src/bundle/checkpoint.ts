import { type Checkpoint, parseCheckpoint, type PinnedRecords, type Vkey } from '@sworn/evidence';
import { reading, textOf } from './files.js';
import type { BundleFiles } from './files.js';
import type { TellBundle } from './finding.js';
import { signerOf, type VerifySignature } from '../signature.js';
import { keysFor } from './keys.js';

/** A checkpoint with a hundred witnesses has about 20 KB. */
const MAX_BYTES = 1 << 20;

/** A checkpoint that says what the statement says, and the key that signed it. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The note, to the byte. */
  readonly note: string;
  /** Null: no key that was given signed it, which is told. */
  readonly signedBy: Uint8Array | null;
}

/** What a checkpoint is held against. */
export interface CheckpointTrust {
  readonly keys: readonly Vkey[];
  readonly verify: VerifySignature;
}

/** Reads the checkpoint of a log; null, and told: there is none that could be one of it. */
export async function checkCheckpoint(
  files: BundleFiles,
  { log, origin, size }: PinnedRecords,
  { keys, verify }: CheckpointTrust,
  tell: TellBundle,
): Promise<SignedCheckpoint | null> {
  const entry = `proofs/${log}/checkpoint`;
  const note = await textOf(files, entry, { maxBytes: MAX_BYTES, tell });
  const checkpoint = note === null ? null : reading('CHECKPOINT_MALFORMED', entry, tell, () => parseCheckpoint(note));
  if (note === null || checkpoint === null) return null;
  if (checkpoint.origin !== origin || checkpoint.size !== size) {
    tell({
      code: 'CHECKPOINT_DIFFERS',
      entry,
      expected: `${origin} at size ${size}, as in the statement`,
      found: `${checkpoint.origin} at size ${checkpoint.size}`,
    });
    return null;
  }
  const candidates = keysFor(keys, origin);
  const signedBy = await signerOf(checkpoint, candidates, verify);
  if (signedBy === null) {
    tell({
      code: 'CHECKPOINT_UNSIGNED',
      entry,
      expected:
        candidates.length === 0 ? `a key of ${origin} among those given` : 'a signature of a key that was given',
      found: 'none',
    });
  }
  return { checkpoint, note, signedBy };
}
