import type { Disclosure, RunBond } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import { inTenant } from '../store/database.js';
import { findRunScope, type RunAsked } from './runBundle.js';
import { findRunsScope, type RunsAsked } from './runsBundle.js';
import type { TellFinding } from './runsScope.js';
import type { FoundScope } from './scope.js';

/** What a bundle is asked to be about, by kind. */
export type ScopeAsked = RunAsked | RunsAsked;

/** Which bundle. Together with the pins and the format it is the identity of the export. */
export interface ExportAsked {
  readonly tenantId: string;
  readonly scope: ScopeAsked;
  readonly disclosure: Disclosure;
}

/** Finds and pins what a bundle of its kind is of. @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export function findScope(deps: ReadDeps, { tenantId, scope }: ExportAsked, tell: TellFinding): Promise<FoundScope> {
  switch (scope.kind) {
    case 'RUN':
      return inTenant(deps.db, 'reader', tenantId, (tx) => findRunScope(deps, tx, tenantId, scope), {
        readOnly: true,
        snapshot: true,
        inIndexOrder: true,
      });
    case 'RUNS':
      return findRunsScope(deps, tenantId, scope, tell);
    default:
      return scope satisfies never;
  }
}

/** What was asked for, as filters of the record of a request that came to nothing. */
export function filtersOf(scope: ScopeAsked): Readonly<Record<string, string>> {
  switch (scope.kind) {
    case 'RUN':
      return { run_id: scope.runId };
    case 'RUNS':
      return { [FILTERS[scope.by]]: scope.value };
    default:
      return scope satisfies never;
  }
}

const FILTERS = {
  CONVERSATION: 'conversation_id',
  INCIDENT: 'incident_id',
  SUBJECT: 'human_actor_id',
} as const satisfies Record<RunBond, string>;
