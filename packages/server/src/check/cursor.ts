import { decodeFrontier, emptyFrontier, type Frontier } from '@sworn/evidence';
import type { CheckCursor } from '../store/checkState.js';
import { NO_ANOMALIES } from './anomalies.js';

/** The hashes of a tree of nothing. */
export const NONE = new Uint8Array();

/** Where the checks of a log begin. */
export function startedAt(at: string): CheckCursor {
  return {
    nextIndex: 0,
    frontier: NONE,
    verified: 0,
    checkedAt: at,
    scrubIndex: 0,
    scrubFrontier: NONE,
    scrubBeganAt: at,
    scrubbedAt: null,
    ...NO_ANOMALIES,
  };
}

/** A row that is no frontier starts anew: whoever wrote it only makes us look at more. */
export function treeOf(size: number, frontier: Uint8Array): Frontier {
  try {
    return decodeFrontier(size, frontier);
  } catch {
    return emptyFrontier;
  }
}
