import type { Topic } from '@sworn/evidence';
import type { ProjectionRow } from '../store/projection.js';

/** A place in a prepared leaf whose fixed-width value is known only under the lock. */
export interface LeafPlace {
  /** Byte offset of the 64 hex digits in `LeafDraft.leaf`. */
  readonly offset: number;
  /** The RESOURCE draft, or the STEP draft that is its `source`, of the same call, whose leaf hash goes here: by its event key (hex). */
  readonly eventKey: string;
}

/**
 * One record, prepared outside the lock: decoded, redacted, encrypted, committed, canonicalised.
 * The sequencer only fills the places, hashes, numbers and inserts it (INTEGRITY.md, "Sequencing").
 */
export interface LeafDraft {
  readonly topic: Topic;
  readonly kind: string;
  /** Identity within (tenant, log): 24 bytes (trace ‖ span) for a span, else 32. Stands in the leaf as `event_key`. */
  readonly eventKey: Uint8Array;
  /** HMAC under the tenant's duplicate key of the bytes as sent, 32 bytes: same key and same digest is a resend. */
  readonly digest: Uint8Array;
  readonly traceId: Uint8Array | null;
  readonly runId: string | null;
  /** RFC 3339, six digits, Z. */
  readonly occurredAt: string;
  /** Canonical bytes with 27 bytes of room for `recorded_at` and 64 for each place. Owned by the draft: the sequencer writes into it. */
  readonly leaf: Uint8Array;
  /** Byte offset of the 27 characters of `recorded_at`. */
  readonly recordedAtOffset: number;
  readonly places: readonly LeafPlace[];
  /**
   * Event key (hex) of the STEP draft of the same call that this was read from. Where another span has that key already, this is not stored: it was
   * read from the copy that changes nothing.
   */
  readonly source?: string;
  /** nonce ‖ ciphertext ‖ tag, or null where the leaf commits to nothing. */
  readonly body: Uint8Array | null;
  /** Id of the data key the body is under. */
  readonly dk: string | null;
  /** The row beside the leaf that lists filter by; null where there is none. */
  readonly projection: ProjectionRow | null;
  /**
   * Called outside the lock when the event key is taken by other bytes: prepares the same record again as kind CONFLICT,
   * with event key HMAC(duplicate key; event key ‖ digest), naming the first leaf.
   */
  readonly conflict: ((first: FirstLeaf) => Promise<LeafDraft>) | null;
}

export interface FirstLeaf {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

/** What became of a draft. `duplicate`: the same bytes were already stored at `index`. `conflict`: other bytes were, of it or of its source. */
export interface Appended {
  readonly outcome: 'stored' | 'duplicate' | 'conflict';
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly recordedAt: string;
}
