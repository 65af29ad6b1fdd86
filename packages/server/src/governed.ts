import type { Counter } from 'prom-client';
import type { Appended, LeafDraft } from './record/draft.js';

/** Counts the governance that was stored, each event once: what was sent again, or contradicts what was there, is none. */
export function countGovernance(
  counter: Counter<'category' | 'decision'>,
  drafts: readonly LeafDraft[],
  appended: readonly Appended[],
): void {
  for (const [at, { projection }] of drafts.entries()) {
    if (projection?.table !== 'audit_ledger' || appended[at]?.outcome !== 'stored') continue;
    const { category, decision } = projection.cells;
    if (typeof category === 'string') counter.inc({ category, decision: String(decision ?? 'NONE') });
  }
}
