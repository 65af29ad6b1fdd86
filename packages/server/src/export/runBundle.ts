import { hex, readRunRecords, runFiles, type RunStatement, topicOfLog } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import type { Tx } from '../store/database.js';
import { contentOf } from './content.js';
import { reportHtml } from './report/html.js';
import { reportPdf } from './report/pdf.js';
import { reportOf } from './report/report.js';
import { readRunScope, type RunScope } from './runScope.js';
import type { FoundScope, Pins, ScopedLog, WrittenLeaves } from './scope.js';
import { spansText } from './spans.js';
import { VERIFY_PAGE } from './verifyPage.js';

/** A bundle of one run, sealed and covered. */
export interface RunAsked {
  readonly kind: 'RUN';
  readonly runId: string;
}

/** Proofs of single records, beside that of the RUN leaf: of the first so many of what was said of rules. */
export const MAX_SINGLE_PROOFS = 64;

/** @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export async function findRunScope(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { runId, pins }: Omit<RunAsked, 'kind'> & { readonly pins: Pins | null },
): Promise<FoundScope> {
  const found = await readRunScope(deps, tx, tenantId, { runId, pins });
  return {
    scope: { kind: 'RUN', tenant_id: tenantId, run_id: found.runId },
    name: found.runId,
    logs: found.logs,
    singlyProven: (log) => singlyProven(found, log),
    writeFiles: (made) => writeFiles(found, made),
  };
}

/** The RUN leaf; of `audit` the first few. */
function singlyProven({ newest }: RunScope, { log, indexes }: ScopedLog): readonly number[] {
  if (log === newest.log) return [newest.index];
  return topicOfLog(log) === 'audit' ? indexes.slice(0, MAX_SINGLE_PROOFS) : [];
}

async function writeFiles(
  { tenantId, runId, newest }: RunScope,
  { read, head, written, logs, add }: WrittenLeaves,
): Promise<RunStatement> {
  const files = written.map(({ file }) => file);
  const run = await readRunRecords(runId, files);
  for (const { name, pieces } of runFiles(run)) await add(name, pieces());
  if (head.disclosure === 'all') await add('data/spans.otlp.json', spansText([run], written));
  const statement: RunStatement = {
    format: head.format,
    scope: { kind: 'RUN', tenant_id: tenantId, run_id: runId },
    disclosure: head.disclosure,
    logs: head.logs,
    complete_by: { log: newest.log, leaf_index: newest.index, checksum: `sha256:${hex(newest.leafHash)}` },
  };
  const report = await reportOf({ statement, run, files, logs, contentOf: contentOf(read.mapping, written) });
  await add('data/report.html', reportHtml(report));
  await add('data/report.pdf', reportPdf(report));
  await add('VERIFY.md', [VERIFY_PAGE]);
  return statement;
}
