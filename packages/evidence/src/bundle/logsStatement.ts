import { isTimestamp } from '../time.js';
import type { Topic } from '../topic.js';
import { countOf, type Fields, objectOf, textOf, wrong } from './statementFields.js';
import type { StatementHead, StatementOf } from './statementHead.js';

/**
 * What is exported of logs as such, and of which topics: what producers said of rules; what happened around runs; and, for whoever checks how the record
 * itself was run, what was decided, who looked, and what the administration did (docs/decisions/0030).
 */
export const LOG_SCOPES = {
  audit: ['audit'],
  compliance: ['access', 'audit', 'control'],
  system: ['system'],
} as const satisfies Readonly<Record<string, readonly Topic[]>>;

/** One of them. */
export type LogScopeName = keyof typeof LOG_SCOPES;

/** A draw among the leaves of a bundle: those that are shown, the others being there as bare hashes. */
export type Sample = {
  /** How many are drawn; 0: none, which fixes what will be drawn from. */
  readonly size: number;
  /** What whoever checks chose once that was fixed; null where none is drawn. */
  readonly nonce: string | null;
};

/** A bundle of all leaves of some logs that were recorded in a period. */
export interface LogsScope {
  readonly kind: 'LOGS';
  readonly tenant_id: string;
  readonly logs: LogScopeName;
  /** `recorded_at`, as leaves write it: from the first on, to before the second. */
  readonly from: string;
  readonly to: string;
  readonly sample: Sample | null;
}

/** The leaves of one log that were recorded in the period: they lie side by side, since `recorded_at` never goes back. */
export interface PeriodRange {
  readonly log: string;
  readonly first: number;
  readonly count: number;
  /** Index of the leaf before them, recorded before the period; null: there is none. */
  readonly before: number | null;
  /** Index of the leaf after them, recorded after the period; null: the checkpoint covers none, and they are complete up to it alone. */
  readonly after: number | null;
}

/** What a bundle of logs says that it is. */
export interface LogsStatement extends StatementOf<LogsScope> {
  /** One for each log, in their order. */
  readonly complete_by: readonly PeriodRange[];
  /** Leaves of the period in all logs: shown and withheld. */
  readonly population: number;
  /** Topics of the scope of which no log had a checkpoint: nothing is proven of them, not even that there is nothing. */
  readonly uncovered: readonly string[];
}

/** What a nonce may be: enough that nobody guesses it, and the same bytes wherever it is written down. */
export const NONCE = /^[A-Za-z0-9._-]{16,128}$/;

/** @throws Malformed `statement` */
export function readLogsStatement(said: Fields, { format, disclosure, logs }: StatementHead): LogsStatement {
  const scope = objectOf(said.scope);
  if (!Array.isArray(said.complete_by) || !Array.isArray(said.uncovered)) throw wrong('it says no ranges of logs');
  return {
    format,
    scope: {
      kind: 'LOGS',
      tenant_id: textOf(scope, 'tenant_id'),
      ...readPeriod(scope),
      sample: readSample(scope.sample),
    },
    disclosure,
    logs,
    complete_by: said.complete_by.map(rangeOf),
    population: countOf(said, 'population'),
    uncovered: said.uncovered.map((one) => textOf({ one }, 'one')),
  };
}

function readPeriod(scope: Fields): Pick<LogsScope, 'logs' | 'from' | 'to'> {
  const [logs, from, to] = [textOf(scope, 'logs'), textOf(scope, 'from'), textOf(scope, 'to')];
  if (!Object.hasOwn(LOG_SCOPES, logs)) throw wrong('its logs are of no scope that this version knows');
  if (!isTimestamp(from) || !isTimestamp(to) || from >= to) throw wrong('from and to are no period');
  return { logs: logs as LogScopeName, from, to };
}

function readSample(value: unknown): Sample | null {
  if (value === null) return null;
  const sample = objectOf(value);
  const size = countOf(sample, 'size');
  if (size === 0 && sample.nonce === null) return { size, nonce: null };
  const nonce = textOf(sample, 'nonce');
  if (size === 0 || !NONCE.test(nonce)) throw wrong('a sample has a size and a nonce, or is of none and has none');
  return { size, nonce };
}

function rangeOf(value: unknown): PeriodRange {
  const range = objectOf(value);
  const indexOf = (name: string) => (range[name] === null ? null : countOf(range, name));
  return {
    log: textOf(range, 'log'),
    first: countOf(range, 'first'),
    count: countOf(range, 'count'),
    before: indexOf('before'),
    after: indexOf('after'),
  };
}
