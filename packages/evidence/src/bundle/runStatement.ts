import { countOf, type Fields, objectOf, textOf } from './statementFields.js';
import type { StatementHead, StatementOf } from './statementHead.js';

/** A bundle of one run. */
export interface RunScope {
  readonly kind: 'RUN';
  readonly tenant_id: string;
  readonly run_id: string;
}

/** What a bundle of a run says that it is. */
export interface RunStatement extends StatementOf<RunScope> {
  /** The RUN leaf that says of how many steps and events the run is, and their trees. */
  readonly complete_by: { readonly log: string; readonly leaf_index: number; readonly checksum: string };
}

/** @throws Malformed `statement` */
export function readRunStatement(said: Fields, { format, disclosure, logs }: StatementHead): RunStatement {
  const scope = objectOf(said.scope);
  const by = objectOf(said.complete_by);
  return {
    format,
    scope: { kind: 'RUN', tenant_id: textOf(scope, 'tenant_id'), run_id: textOf(scope, 'run_id') },
    disclosure,
    logs,
    complete_by: {
      log: textOf(by, 'log'),
      leaf_index: countOf(by, 'leaf_index'),
      checksum: textOf(by, 'checksum'),
    },
  };
}
