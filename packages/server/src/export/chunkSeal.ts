import { createCipheriv, createDecipheriv } from 'node:crypto';
import { hkdfExpand, utf8 } from '@sworn/evidence';

/** Bytes that are sealed, and opened, at once. */
export const CHUNK_BYTES = 1 << 16;
const TAG_BYTES = 16;
/** A whole chunk, sealed. */
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES;
/** The number of a chunk has 32 bits: 256 TiB, and an archive has 4 GiB at most. */
const MAX_CHUNKS = 2 ** 32;

/**
 * Bytes in chunks that are each sealed by AES-256-GCM (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár, 2015). The nonce is the number of the
 * chunk and whether it is the last: one that is cut off, moved, swapped or repeated does not open, and any range is opened without what is before it.
 */
export interface ChunkSeal {
  seal(plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>;
  /**
   * The plain bytes from `from` up to `to`, of `size` in all. `sealed` reads a range of what `seal` gave.
   * @throws SealBroken before the first byte of a chunk that is not what was sealed
   */
  open(size: number, from: number, to: number, sealed: ReadSealed): AsyncGenerator<Uint8Array>;
}

/** Reads what is sealed from a place up to another. */
export type ReadSealed = (from: number, to: number) => AsyncIterable<Uint8Array>;

/** What was read is not what was sealed under this key for this purpose and place. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';

  constructor(chunk: number) {
    super(`chunk ${chunk} does not open`);
  }
}

/** Bytes of `size` plain ones when sealed. */
export function sealedSize(size: number): number {
  return size + Math.ceil(size / CHUNK_BYTES) * TAG_BYTES;
}

/**
 * A seal under a key that is used for nothing else, and seals once for each purpose.
 * @param context bound into each chunk
 */
export function createChunkSeal(fileKey: Uint8Array, purpose: string, context: Uint8Array): ChunkSeal {
  const key = hkdfExpand(fileKey, utf8(purpose), 32);
  const sealOne = (plain: Uint8Array, number: number, isLast: boolean): Uint8Array => {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast));
    cipher.setAAD(context);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };
  const openOne = (sealed: Uint8Array, number: number, isLast: boolean): Uint8Array => {
    if (sealed.length <= TAG_BYTES) throw new SealBroken(number);
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast), { authTagLength: TAG_BYTES });
    decipher.setAAD(context);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
    } catch {
      throw new SealBroken(number);
    }
  };
  return {
    async *seal(plain) {
      let number = 0;
      let held: Uint8Array | null = null;
      for await (const piece of inPieces(plain, CHUNK_BYTES)) {
        if (held !== null) yield sealOne(held, number++, false);
        held = piece;
      }
      if (held === null) throw new Error('nothing was to be sealed');
      yield sealOne(held, number, true);
    },
    async *open(size, from, to, sealed) {
      if (from >= to) return;
      if (to > size) throw new Error('bytes beyond the end were asked for');
      const last = Math.ceil(size / CHUNK_BYTES) - 1;
      const [first, until] = [Math.floor(from / CHUNK_BYTES), Math.floor((to - 1) / CHUNK_BYTES)];
      let number = first;
      const bytes = sealed(first * SEALED_BYTES, Math.min((until + 1) * SEALED_BYTES, sealedSize(size)));
      for await (const piece of inPieces(bytes, SEALED_BYTES)) {
        const plain = openOne(piece, number, number === last);
        const start = number * CHUNK_BYTES;
        yield plain.subarray(Math.max(from - start, 0), Math.min(to - start, plain.length));
        number++;
      }
      if (number !== until + 1) throw new SealBroken(number);
    },
  };
}

/** 0[7] ‖ number[4] ‖ 1 for the last one, else 0. The key is fresh, so no two seals have a nonce in common. */
function nonceOf(number: number, isLast: boolean): Uint8Array {
  if (number >= MAX_CHUNKS) throw new Error('more chunks than can be numbered');
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** The same bytes in pieces of a size; the last one may be shorter. */
async function* inPieces(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (bytes + rest.length >= size) {
      const taken = size - bytes;
      yield Buffer.concat([...waiting, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      waiting = [];
      bytes = 0;
    }
    if (rest.length > 0) waiting.push(rest);
    bytes += rest.length;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
