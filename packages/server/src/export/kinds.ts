import type { Disclosure } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import type { Tx } from '../store/database.js';
import { findRunScope, type RunAsked } from './runBundle.js';
import type { FoundScope } from './scope.js';

/** What a bundle is asked to be about, by kind. */
export type ScopeAsked = RunAsked;

/** Which bundle. Together with the pins and the format it is the identity of the export. */
export interface ExportAsked {
  readonly tenantId: string;
  readonly scope: ScopeAsked;
  readonly disclosure: Disclosure;
}

/** Finds and pins what a bundle of its kind is of. @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export function findScope(deps: ReadDeps, tx: Tx, { tenantId, scope }: ExportAsked): Promise<FoundScope> {
  return findRunScope(deps, tx, tenantId, scope);
}

/** What was asked for, as filters of the record of a request that came to nothing. */
export function filtersOf(scope: ScopeAsked): Readonly<Record<string, string>> {
  return { run_id: scope.runId };
}
