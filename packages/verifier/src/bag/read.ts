import { hex, startSha256 } from '@sworn/evidence';
import type { ArchiveEntry } from '../archive/entry.js';
import type { TellBag } from './finding.js';
import { HELD_BYTES } from './layout.js';
import type { Digests } from './manifest.js';

/** The files of a bag, each read once. */
export interface BagRead {
  /** Of every file, recomputed. */
  readonly digests: Digests;
  /** What the bag is checked by, each byte as the character of that number; not there, or too large: absent. */
  readonly held: ReadonlyMap<string, string>;
}

/** Reads every file from its beginning to its end, a piece at a time: its digest, its CRC-32, and, of a few small ones, their bytes. */
export async function readBag(entries: readonly ArchiveEntry[], tell: TellBag): Promise<BagRead> {
  const digests = new Map<string, string>();
  const held = new Map<string, string>();
  for (const entry of entries) {
    const holds = isHeld(entry, tell);
    let text = '';
    const hash = startSha256();
    for await (const chunk of entry.chunks(tell)) {
      hash.update(chunk);
      if (holds) text += latin1(chunk);
    }
    digests.set(entry.name, hex(hash.digest()));
    if (holds) held.set(entry.name, text);
  }
  return { digests, held };
}

function isHeld({ name, size }: ArchiveEntry, tell: TellBag): boolean {
  const most = HELD_BYTES.get(name);
  if (most === undefined) return false;
  if (size <= most) return true;
  tell({ code: 'BAG_TOO_LARGE', entry: name, expected: `at most ${most} bytes`, found: `${size}` });
  return false;
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
