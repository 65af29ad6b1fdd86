import { vouchedMembers } from '../record/vouched.js';
import { type LogPlace, readControlOf } from '../store/checking.js';
import type { Checking } from './checking.js';

/** What proven leaves of `control` allow to be gone: the only way in which anything may be (check V5). */
export interface Excuses {
  /** Leaves below it may be absent, by log. */
  readonly retainedFrom: ReadonlyMap<string, number>;
  /** Data keys whose bodies and rows may be gone. */
  readonly erasedKeys: ReadonlySet<string>;
}

/**
 * Reads RETENTION and ERASURE leaves that carry our own MAC: a row that a superuser made excuses nothing. Read after what is missing was looked for,
 * so that what was removed meanwhile is found excused.
 */
export async function readExcuses(checking: Checking, tenantId: string): Promise<Excuses> {
  const rows = await checking.ask((tx) => readControlOf(tx, tenantId, ['RETENTION', 'ERASURE']));
  const retainedFrom = new Map<string, number>();
  const erasedKeys = new Set<string>();
  for (const row of rows) {
    for (const kind of ['RETENTION', 'ERASURE']) {
      const origin = checking.originOf(tenantId, row.log);
      const said = vouchedMembers(checking.directoryKey, { ...row, origin, kind, eventKey: null });
      if (said === null) continue;
      if (kind === 'ERASURE' && Array.isArray(said.keys)) for (const key of said.keys) erasedKeys.add(String(key));
      if (kind === 'RETENTION' && typeof said.of === 'string' && typeof said.below === 'number')
        retainedFrom.set(said.of, Math.max(retainedFrom.get(said.of) ?? 0, said.below));
    }
  }
  return { retainedFrom, erasedKeys };
}

/** Whether a leaf may be absent. */
export function mayBeGone({ retainedFrom }: Excuses, { log }: LogPlace, index: number): boolean {
  return index < (retainedFrom.get(log) ?? 0);
}
