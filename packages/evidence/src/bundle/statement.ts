import { type LogsStatement, readLogsStatement } from './logsStatement.js';
import { readRunStatement, type RunStatement } from './runStatement.js';
import { readRunsStatement, type RunsStatement } from './runsStatement.js';
import { countOf, type Fields, objectOf, textOf, wrong } from './statementFields.js';
import { BUNDLE_FORMAT, DISCLOSURES, type PinnedRecords, type StatementHead } from './statementHead.js';

/** The statement of each kind of bundle. */
export interface StatementByKind {
  readonly LOGS: LogsStatement;
  readonly RUN: RunStatement;
  readonly RUNS: RunsStatement;
}

/** What a bundle is about, by kind. */
export type ScopeKind = keyof StatementByKind;

/** `data/statement.json`: what the bundle says that it is. */
export type Statement = StatementByKind[ScopeKind];

/** What a bundle is about. */
export type BundleScope = Statement['scope'];

/** How the statement of each kind is read, once what all have is. */
const READERS: {
  readonly [K in ScopeKind]: (said: Fields, head: StatementHead) => StatementByKind[K];
} = { LOGS: readLogsStatement, RUN: readRunStatement, RUNS: readRunsStatement };

/** The statement as its file has it. */
export function statementText(statement: Statement): string {
  return `${JSON.stringify(statement, null, 2)}\n`;
}

/**
 * Reads a statement; one that is not written as `statementText` writes it is refused. Nothing of it is believed.
 * @throws Malformed `statement`
 */
export function parseStatement(text: string): Statement {
  const said = jsonOf(text);
  const { kind } = objectOf(said.scope);
  if (said.format !== BUNDLE_FORMAT) throw wrong(`its format is not ${BUNDLE_FORMAT}`);
  if (typeof kind !== 'string' || !Object.hasOwn(READERS, kind))
    throw wrong('its scope is of no kind that this version knows');
  const disclosure = DISCLOSURES.find((one) => one === said.disclosure);
  if (disclosure === undefined) throw wrong('disclosure is none of none, governance, all');
  if (!Array.isArray(said.logs)) throw wrong('it names no logs');
  const head = { format: BUNDLE_FORMAT, disclosure, logs: said.logs.map(pinnedOf) } as const;
  const statement = READERS[kind as ScopeKind](said, head);
  if (statementText(statement) !== text) throw wrong('it is not written as this format writes it');
  return statement;
}

function pinnedOf(value: unknown): PinnedRecords {
  const log = objectOf(value);
  return {
    log: textOf(log, 'log'),
    origin: textOf(log, 'origin'),
    size: countOf(log, 'size'),
    shown: countOf(log, 'shown'),
    withheld: countOf(log, 'withheld'),
    disclosed: countOf(log, 'disclosed'),
    undisclosed: countOf(log, 'undisclosed'),
    erased: countOf(log, 'erased'),
  };
}

function jsonOf(text: string): Fields {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    throw wrong('it is no JSON object');
  }
}
