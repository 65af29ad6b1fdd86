import type { BundleScope, Disclosure, RunBond } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import { inTenant } from '../store/database.js';
import { findLogsScope } from './logsBundle.js';
import type { LogsAsked } from './logsScope.js';
import { findRunScope, type RunAsked } from './runBundle.js';
import { findRunsScope, type RunsAsked } from './runsBundle.js';
import type { TellFinding } from './runsScope.js';
import type { FoundScope, Pins } from './scope.js';

/** What a bundle is asked to be about, by kind. */
export type ScopeAsked = RunAsked | RunsAsked | LogsAsked;

/** Which bundle. Together with the pins and the format it is the identity of the export. */
export interface ExportAsked {
  readonly tenantId: string;
  readonly scope: ScopeAsked;
  readonly disclosure: Disclosure;
  /** As of these sizes of the logs, not as it is now; of several runs there is no such thing. */
  readonly pins?: Pins;
}

/** Finds and pins what a bundle of its kind is of. @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export function findScope(
  deps: ReadDeps,
  { tenantId, scope, pins = null }: Omit<ExportAsked, 'pins'> & { readonly pins?: Pins | null },
  tell: TellFinding,
): Promise<FoundScope> {
  const snapshot = { readOnly: true, snapshot: true, inIndexOrder: true } as const;
  switch (scope.kind) {
    case 'RUN':
      return inTenant(
        deps.db,
        'reader',
        tenantId,
        (tx) => findRunScope(deps, tx, tenantId, { runId: scope.runId, pins }),
        snapshot,
      );
    case 'LOGS':
      return inTenant(
        deps.db,
        'reader',
        tenantId,
        (tx) => findLogsScope(deps, tx, { tenantId, asked: scope, pins }),
        snapshot,
      );
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
    case 'LOGS':
      return { scope: scope.logs, from: scope.from, to: scope.to };
    default:
      return scope satisfies never;
  }
}

const FILTERS = {
  CONVERSATION: 'conversation_id',
  INCIDENT: 'incident_id',
  SUBJECT: 'human_actor_id',
} as const satisfies Record<RunBond, string>;

/** What is asked for to get a bundle of this scope again as it was; null: its pins do not say of which runs it was. */
export function askedAgain(scope: BundleScope): ScopeAsked | null {
  switch (scope.kind) {
    case 'RUN':
      return { kind: 'RUN', runId: scope.run_id };
    case 'RUNS':
      return null;
    case 'LOGS': {
      const { kind, logs, from, to, sample } = scope;
      // Members in the order of the statement, wherever they were read.
      return { kind, logs, from, to, sample: sample === null ? null : { size: sample.size, nonce: sample.nonce } };
    }
    default:
      return scope satisfies never;
  }
}
