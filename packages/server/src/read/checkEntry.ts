import type { Finding } from '@sworn/contract';
import { differingColumns, TABLES_OF } from '../check/projections.js';
import type { LeaflessEntry, StoredEntry } from '../store/auditEntries.js';
import { type Checked, checkLeaf } from './check.js';

/** An entry that passed its check. */
export type SoundEntry = Extract<Checked<StoredEntry>, { kind: 'sound' }>;

/** Holds an entry's leaf against its hash and columns (V4, V6), and the row beside it against the leaf, by what the checks expect there. */
export function checkEntry(stored: StoredEntry | LeaflessEntry, topic: string, origin: string): Checked<StoredEntry> {
  if (stored.leaf === null) return compromised(stored, 'V10', 'STRAY_ROW', 'a projection row without its leaf');
  const checked = checkLeaf(stored, origin);
  if (checked.kind === 'compromised') return checked;
  const leaf = { row: stored, said: checked.members, hash: stored.leafHash };
  for (const table of TABLES_OF[topic] ?? []) {
    const differing = differingColumns({ table, origin }, leaf, stored.cells ?? {});
    if (differing === null) continue;
    if (stored.cells === null)
      return compromised(stored, 'V6', 'PROJECTION_MISSING', `${table} has no row beside the leaf`);
    const [first] = differing;
    if (first !== undefined)
      return compromised(stored, 'V6', 'PROJECTION_MISMATCH', `${table}.${first} is not what the leaf says`);
  }
  return checked;
}

function compromised(
  stored: StoredEntry | LeaflessEntry,
  check: Finding['check'],
  code: Finding['code'],
  detail: string,
): Checked<StoredEntry> {
  return { kind: 'compromised', stored, finding: { check, code, log: stored.log, leaf_index: stored.index, detail } };
}
