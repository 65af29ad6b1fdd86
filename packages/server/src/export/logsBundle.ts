import { logsFiles, type LogsStatement } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import type { Tx } from '../store/database.js';
import { type LogsAsked, type LogsFound, readLogsScope } from './logsScope.js';
import { logsReportHtml } from './report/html.js';
import { logsReportOf } from './report/logsReport.js';
import { logsReportPdf } from './report/pdf.js';
import type { FoundScope, Pins, WrittenLeaves } from './scope.js';
import { VERIFY_LOGS_PAGE } from './verifyPage.js';

/** Proofs of single records of a log, for tools that read one leaf at a time: of the first so many that are shown. */
const MAX_SINGLE_PROOFS = 64;

/** @throws Refusal `evidence_compromised`; ExportRefused */
export async function findLogsScope(
  deps: ReadDeps,
  tx: Tx,
  of: { readonly tenantId: string; readonly asked: LogsAsked; readonly pins: Pins | null },
): Promise<FoundScope> {
  const { kind, logs, from, to, sample } = of.asked;
  const found = await readLogsScope(deps, tx, of);
  const scope = { kind, tenant_id: of.tenantId, logs, from, to, sample } as const;
  return {
    scope,
    name: `${logs} ${from}/${to}`,
    logs: found.logs,
    singlyProven: ({ indexes }) => indexes.slice(0, MAX_SINGLE_PROOFS),
    writeFiles: (made) => writeFiles(scope, found, made),
  };
}

async function writeFiles(
  scope: LogsStatement['scope'],
  { ranges, population, uncovered }: LogsFound,
  { head, written, logs, add }: WrittenLeaves,
): Promise<LogsStatement> {
  const files = written.map(({ file }) => file);
  for (const { name, pieces } of logsFiles(files)) await add(name, pieces());
  const statement: LogsStatement = {
    format: head.format,
    scope,
    disclosure: head.disclosure,
    logs: head.logs,
    complete_by: ranges,
    population,
    uncovered,
  };
  const report = await logsReportOf({ statement, files, logs });
  await add('data/report.html', logsReportHtml(report));
  await add('data/report.pdf', logsReportPdf(report));
  await add('VERIFY.md', [VERIFY_LOGS_PAGE]);
  return statement;
}
