import {
  BUNDLE_FORMAT,
  type BundleScope,
  canonicalize,
  type Disclosure,
  hex,
  type JsonObject,
  type RunsStatement,
  type Statement,
  sha256,
} from '@sworn/evidence';
import type { Pin } from '../read/reading.js';

/** What makes two bundles the same one, beside the format: the same bytes, but for their attestations. */
export interface Identity {
  readonly scope: BundleScope;
  readonly disclosure: Disclosure;
  /** For each log the first checkpoint that covers the scope's last record there. */
  readonly pins: readonly Pin[];
  /** What else decides its bytes: of several runs which, since one may leave between two exports and move no pin. */
  readonly runs?: Pick<RunsStatement, 'runs' | 'left_out'>;
}

/** Id of an export: equal for equal identities, so who asks again asks for the same. */
export function exportIdOf({ scope, disclosure, pins, runs }: Identity): string {
  const identity = canonicalize({
    format: BUNDLE_FORMAT,
    scope: { ...scope },
    disclosure,
    pins: pins.map(({ log, size }) => ({ log, size })),
    ...(runs === undefined
      ? {}
      : {
          runs: runs.runs.map(({ run_id, complete_by }) => ({ run_id, complete_by: { ...complete_by } })),
          left_out: runs.left_out.map((one) => ({ ...one })),
        }),
  });
  return `exp_${hex(sha256(identity)).slice(0, 32)}`;
}

/** That of a bundle that was made. */
export function identityOf(statement: Statement): Identity {
  const { scope, disclosure, logs } = statement;
  const pins = logs.map(({ log, size }) => ({ log, size }));
  if (statement.scope.kind !== 'RUNS') return { scope, disclosure, pins };
  const { runs, left_out } = statement as RunsStatement;
  return { scope, disclosure, pins, runs: { runs, left_out } };
}

/** How records of an export say what it is of: a run by its id, as all records that are about one do; another scope as it is. */
export function recordedScope(scope: BundleScope): {
  readonly runId: string | null;
  readonly scope: JsonObject | null;
} {
  switch (scope.kind) {
    case 'RUN':
      return { runId: scope.run_id, scope: null };
    case 'RUNS': {
      const { kind, by, value } = scope;
      return { runId: null, scope: { kind, by, value } };
    }
    case 'LOGS': {
      const { kind, logs, from, to, sample } = scope;
      return { runId: null, scope: { kind, logs, from, to, sample } };
    }
    default:
      return scope satisfies never;
  }
}
