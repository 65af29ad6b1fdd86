import { hintedRun } from '../seal/membership.js';
import type { Members } from './prepareLeaf.js';

/** The run that a record's hint names, as a span's would. What a foreign key sends names none. */
export function hintedMember(fields: Members, foreign: boolean): Members {
  const run = runNamed({ ...fields, foreign });
  return run === null ? {} : { hinted_run: run };
}

/** The run that the hint of a leaf names; null: it has none, or a foreign key sent it. */
export function runNamed({ run_hint: runHint, run_asserted: runAsserted, service, foreign }: Members): string | null {
  return hintedRun({
    runHint: typeof runHint === 'string' ? runHint : null,
    runAsserted: runAsserted === true,
    service: typeof service === 'string' ? service : null,
    foreign: foreign === true,
  });
}
