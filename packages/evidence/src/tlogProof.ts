import { base64, unbase64 } from './bytes.js';
import { Malformed } from './malformed.js';
import { HASH_BYTES } from './tree.js';

/** First line of the format (C2SP tlog-proof). */
const HEADER = 'c2sp.org/tlog-proof@v1';

/** Inclusion of one leaf, with the checkpoint that it is proven against. */
export interface TlogProof {
  readonly index: number;
  /** Lowest sibling first. */
  readonly path: readonly Uint8Array[];
  /** The signed note, its last newline included. */
  readonly checkpoint: string;
}

/** The proof as C2SP tlog-proof writes it, without an `extra` line. */
export function formatTlogProof({ index, path, checkpoint }: TlogProof): string {
  return [HEADER, `index ${index}`, ...path.map(base64), '', checkpoint].join('\n');
}

/**
 * Reads what `formatTlogProof` writes; an `extra` line is refused, since Sworn has nothing to put there. Nothing is verified.
 * @throws Malformed `tlog_proof`
 */
export function parseTlogProof(text: string): TlogProof {
  const [, indexText, hashes, checkpoint] =
    /^c2sp\.org\/tlog-proof@v1\nindex (0|[1-9][0-9]{0,15})\n((?:[A-Za-z0-9+/]{43}=\n){0,64})\n([^]+)$/.exec(text) ?? [];
  if (indexText === undefined || hashes === undefined || checkpoint === undefined)
    throw new Malformed('tlog_proof', 'not a tlog-proof of version 1 without extra data');
  const path = hashes.split('\n').slice(0, -1).map(hashOf);
  return { index: Number(indexText), path, checkpoint };
}

function hashOf(text: string): Uint8Array {
  const hash = unbase64(text);
  if (hash.length !== HASH_BYTES) throw new Malformed('tlog_proof', 'a hash that has not 32 bytes');
  return hash;
}
