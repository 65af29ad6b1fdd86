/** Slots of the cache; the attribute keys of one application are some hundred. */
const SLOTS = 2_048;

/** Longest name worth keeping, in bytes. */
const MAX_LENGTH = 96;

interface Slot {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const slots = new Array<Slot | undefined>(SLOTS);

/**
 * The text of a short name that comes again and again: attribute keys, enumerations. Decoding one makes a string and hashes it;
 * finding it here is a comparison of bytes. A sender who chooses names badly costs others the cache, never a wrong answer.
 */
export function cachedName(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > MAX_LENGTH) return bytes.toString('utf8', start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (hash * 31 + (bytes[at] as number)) | 0;
  const index = hash & (SLOTS - 1);
  const slot = slots[index];
  if (slot !== undefined && sameBytes(slot.bytes, bytes, start, length)) return slot.text;
  const text = bytes.toString('utf8', start, end);
  slots[index] = { bytes: Uint8Array.from(bytes.subarray(start, end)), text };
  return text;
}

function sameBytes(kept: Uint8Array, bytes: Buffer, start: number, length: number): boolean {
  if (kept.length !== length) return false;
  for (let i = 0; i < length; i++) if (kept[i] !== bytes[start + i]) return false;
  return true;
}
