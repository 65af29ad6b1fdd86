import { canonicalize, equalBytes, hex, hmacSha256, utf8 } from '@sworn/evidence';
import type { StoredConfirmation } from '../store/sinks.js';

/** HMAC-SHA256 under the directory key over what a sink confirmed of the log `origin`. Who owns the database can write the row; he has not this key. */
export function confirmationMac(
  directoryKey: Uint8Array,
  origin: string,
  { sink, size, root, outside }: Omit<StoredConfirmation, 'mac'>,
): Uint8Array {
  const said = canonicalize({ origin, sink, size, root: hex(root), outside });
  return hmacSha256(directoryKey, utf8('sworn.sink/1\0'), said);
}

/** Whether Sworn wrote the row. */
export function isConfirmation(directoryKey: Uint8Array, origin: string, row: StoredConfirmation): boolean {
  return equalBytes(row.mac, confirmationMac(directoryKey, origin, row));
}
