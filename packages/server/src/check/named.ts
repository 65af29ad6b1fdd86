import type { LogPlace } from '../store/checking.js';
import type { TreeLeaf } from '../store/checkingLeaf.js';
import type { Tell } from './finding.js';
import { parseLeaf } from './leaves.js';

/** Which body a leaf names, and under which key: what V5 asks of it. */
export interface Named {
  /** Hash of the ciphertext, hex; null: it names no body. */
  readonly ch: string | null;
  /** Id of the data key. */
  readonly dk: string | null;
}

const NOTHING_NAMED: Named = { ch: null, dk: null };

/** In the canonical form, members by name and without spaces, a commitment to a body begins like this. In a text the quotes would be escaped. */
const BODY = Buffer.from('"c":{"body":{"ch":"');
const KEY = Buffer.from(',"dk":"');
const HASH_DIGITS = 64;
const ID_LENGTH = 36;
const [OPENS, CLOSES, QUOTE] = Buffer.from('{}"');

/**
 * What a leaf names, taken from its place in the canonical form: a fraction of the work of reading all of it, for those who ask nothing else. Of a leaf
 * that looks otherwise, all is read; null and a finding (V4) when it is none.
 */
export function namedIn(place: LogPlace, row: TreeLeaf, tell: Tell): Named | null {
  const { leaf } = row;
  if (leaf[0] === OPENS && leaf[leaf.length - 1] === CLOSES) {
    const body = leaf.indexOf(BODY);
    if (body < 0) return NOTHING_NAMED;
    const ch = body + BODY.length;
    const key = leaf.indexOf(KEY, ch);
    const dk = key + KEY.length;
    // Of the bytes and not of a text of all of them, which would be kept as long as its parts are.
    if (leaf[ch + HASH_DIGITS] === QUOTE && key > 0 && leaf[dk + ID_LENGTH] === QUOTE)
      return { ch: leaf.toString('latin1', ch, ch + HASH_DIGITS), dk: leaf.toString('latin1', dk, dk + ID_LENGTH) };
  }
  const said = parseLeaf(place, row, tell);
  return said && { ch: said.object('c').object('body').text('ch'), dk: said.text('dk') };
}
