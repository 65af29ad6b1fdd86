import type { Beside, Mark } from './attack.js';
import type { LogPlace, Scene } from './scene.js';

/** The target's log of this name. */
export function ofTarget(scene: Scene, log = 'llm-runs'): LogPlace {
  return { tenantId: scene.target.id, log };
}

/** A finding at a place; `what` is check and code, e.g. `V4 LEAF_HASH_MISMATCH`. */
export function mark({ tenantId, log }: LogPlace, index: number | null, what: string): Mark {
  const [check = '', code = ''] = what.split(' ');
  return { tenantId, log, index, check, code };
}

/** Findings that may stand beside, anywhere in a log or, with `index`, at one leaf. */
export function beside({ tenantId, log }: LogPlace, what: string, index?: Beside['index']): Beside {
  const [check = '', code = ''] = what.split(' ');
  return { tenantId, log, check, code, ...(index !== undefined && { index }) };
}

/** Flips the lowest bit of one byte of a column. */
export function flip(column: string, byte = 0): string {
  return `${column} = set_byte(${column}, ${byte}, get_byte(${column}, ${byte}) # 1)`;
}

/** Condition for one leaf, with parameters 1 to 3. */
export const ONE = `tenant_id = $1 and log = $2 and leaf_index = $3`;

/** First index of the batch that holds a leaf: where a root that does not come out is told. */
export async function batchOf(scene: Scene, { tenantId, log }: LogPlace, index: number): Promise<number> {
  const [row] = await scene.read<{ first: number }>(
    `select max(first_index)::float8 as first from sworn.batch_authenticator where tenant_id = $1 and log = $2 and first_index <= $3`,
    [tenantId, log, index],
  );
  return row?.first ?? 0;
}

/** The row beside a leaf that cannot be believed has nothing to be held against, and is told as well. */
export function unheld(place: LogPlace, index: number): Beside {
  return beside(place, 'V10 STRAY_ROW', index);
}
