import type { LogPlace } from '../store/checking.js';
import { readKeysThere, type TreeLeaf } from '../store/checkingLeaf.js';
import type { Checking } from './checking.js';
import { type Excuses, mayBeGone, readExcuses } from './excuses.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';
import type { Named } from './named.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a data key may have this id: whoever rewrites a leaf and its tile may have put anything there. */
export function isKeyId(id: string): boolean {
  return UUID.test(id);
}

/** Check V5 for the bodies that leaves name, and their keys: each is there, or was proven to be removed. And what V10 says of bodies that none names. */
export class Presence {
  readonly #checking: Checking;
  readonly #place: LogPlace;
  readonly #tell: Tell;
  /** Read after something was found missing, so that a removal under way is found excused. */
  #excuses: Excuses | null = null;

  constructor(checking: Checking, place: LogPlace, tell: Tell) {
    this.#checking = checking;
    this.#place = place;
    this.#tell = tell;
  }

  /** Whether all is there that must be, and nothing else: else `tell` says what is not as it should be. */
  isAsNamed({ bodySize }: Pick<TreeLeaf, 'bodySize'>, { ch, dk }: Named, isKeyThere: boolean): boolean {
    return ch === null || dk === null ? bodySize === null : bodySize !== null && isKeyThere;
  }

  async tell({ index, bodySize }: Pick<TreeLeaf, 'index' | 'bodySize'>, { ch, dk }: Named): Promise<void> {
    const where = { ...this.#place, index, table: 'leaf' };
    if (ch === null || dk === null)
      return this.#tell({
        ...where,
        code: 'STRAY_BODY',
        expected: 'no body',
        found: 'one that the leaf does not name',
      });
    this.#excuses ??= await readExcuses(this.#checking, this.#place.tenantId);
    if (this.#excuses.erasedKeys.has(dk) || mayBeGone(this.#excuses, this.#place, index)) return;
    const found = 'none, and no proven removal';
    if (bodySize === null)
      this.#tell({ ...where, code: 'BODY_MISSING_UNAUTHORISED', expected: `a body of hash ${ch}`, found });
    else
      this.#tell({ ...where, table: 'data_key', code: 'KEY_MISSING_UNAUTHORISED', expected: `data key ${dk}`, found });
  }
}

/** Check V5 for the bodies of a chunk, without looking at one. */
export async function checkPresence(
  checking: Checking,
  place: LogPlace,
  leaves: readonly ReadLeaf<TreeLeaf, Named>[],
  tell: Tell,
): Promise<void> {
  const ids = new Set<string>();
  for (const { said } of leaves) if (said.dk !== null && isKeyId(said.dk)) ids.add(said.dk);
  const there = await checking.ask((tx) => readKeysThere(tx, place.tenantId, [...ids]));
  const presence = new Presence(checking, place, tell);
  for (const { row, said } of leaves)
    if (!presence.isAsNamed(row, said, said.dk !== null && there.has(said.dk))) await presence.tell(row, said);
}
