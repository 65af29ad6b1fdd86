import { canonicalize, decodeLeaf, equalBytes, hex, hmacSha256, type JsonValue, leafHash, utf8 } from '@sworn/evidence';

/** Members of a leaf by name. */
export type LeafMembers = Readonly<Record<string, JsonValue>>;

/** A leaf as it is stored, and where it must stand to count. */
export interface VouchedClaim {
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly index: number;
  /** Leaves of its log, as its head has it. */
  readonly size: number;
  /** Of the log it was read from. */
  readonly origin: string;
  readonly kind: string;
  /** That of the identity it was looked up by; null: any, as it says itself. */
  readonly eventKey: Uint8Array | null;
}

/**
 * HMAC-SHA256 under the directory key over all that a leaf says but its `mac` itself and `recorded_at`, which the sequencer fills in later:
 * origin (and so deployment and tenant), kind, event key and every field. Hashes alone prove nothing to us: who owns the database can
 * compute them; he has not this key.
 */
export function voucherOf(directoryKey: Uint8Array, members: LeafMembers): string {
  const { mac: _, recorded_at: __, ...said } = members;
  return hex(hmacSha256(directoryKey, utf8('sworn.directory/1\0'), canonicalize(said)));
}

/** What the leaf says, if Sworn wrote it and it stands where it says; else null. */
export function vouchedMembers(directoryKey: Uint8Array, claim: VouchedClaim): LeafMembers | null {
  if (claim.index >= claim.size || !equalBytes(leafHash(claim.leaf), claim.leafHash)) return null;
  const members = decoded(claim.leaf);
  if (members === null || typeof members.mac !== 'string') return null;
  const stands =
    members.kind === claim.kind &&
    members.by === 'sworn' &&
    members.log === claim.origin &&
    (claim.eventKey === null || members.event_key === hex(claim.eventKey));
  return stands && equalBytes(utf8(members.mac), utf8(voucherOf(directoryKey, members))) ? members : null;
}

function decoded(leaf: Uint8Array): LeafMembers | null {
  try {
    return decodeLeaf(leaf).fields;
  } catch {
    // Whatever stands there now, we did not write it.
    return null;
  }
}
