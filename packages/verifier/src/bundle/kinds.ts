import type { ScopeKind, Statement, StatementByKind } from '@sworn/evidence';
import { LOGS_RULES } from './logs.js';
import { RUN_RULES } from './run.js';
import { RUNS_RULES } from './runs.js';
import type { ScopeRules } from './scope.js';

/** One for each kind of bundle. */
const RULES: { readonly [K in ScopeKind]: ScopeRules<StatementByKind[K]> } = {
  LOGS: LOGS_RULES,
  RUN: RUN_RULES,
  RUNS: RUNS_RULES,
};

/** The rules of the kind that the statement says it is of. */
export function rulesOf(statement: Statement): ScopeRules<Statement> {
  return RULES[statement.scope.kind];
}
