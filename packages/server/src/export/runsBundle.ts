import { createHash } from 'node:crypto';
import {
  type RunBond,
  type RunRecords,
  type RunsStatement,
  readRunRecords,
  recordsOfRun,
  runFiles,
  runLeavesText,
  topicOfLog,
} from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import { asToken } from '../read/runQuery.js';
import { contentOf } from './content.js';
import { runsReportHtml } from './report/html.js';
import { runsReportPdf } from './report/pdf.js';
import { reportOf } from './report/report.js';
import { inShort, type RunInShort, runsReportOf } from './report/runsReport.js';
import { MAX_SINGLE_PROOFS } from './runBundle.js';
import type { RunScope } from './runScope.js';
import { completeBy, type FoundRuns, readRuns, type TellFinding } from './runsScope.js';
import type { FoundScope, ScopedLog, WrittenLeaves } from './scope.js';
import { spansText } from './spans.js';
import { VERIFY_PAGE } from './verifyPage.js';

/** A bundle of the runs of one conversation, incident or subject. */
export interface RunsAsked {
  readonly kind: 'RUNS';
  readonly by: RunBond;
  /** Of a subject the value in clear, or the token that stands for it. */
  readonly value: string;
}

/** @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export async function findRunsScope(
  deps: ReadDeps,
  tenantId: string,
  { by, value: asked }: RunsAsked,
  tell: TellFinding,
): Promise<FoundScope> {
  const value = by === 'SUBJECT' ? await asToken(asked, (clear) => deps.tokenOf(tenantId, clear)) : asked;
  const scope = { kind: 'RUNS', tenant_id: tenantId, by, value } as const;
  const found = await readRuns(deps, tenantId, scope, tell);
  const stated: Stated = {
    scope,
    runs: found.runs.map((run) => ({ run_id: run.runId, complete_by: completeBy(run) })),
    left_out: found.leftOut,
  };
  return {
    scope,
    name: `${by.toLowerCase()} ${tagText(value)}`,
    runs: { runs: stated.runs, left_out: stated.left_out },
    logs: found.logs,
    singlyProven: (log) => singlyProven(found, log),
    writeFiles: (made) => writeFiles(found, stated, made),
  };
}

/** What is known of the statement before anything is written. */
type Stated = Pick<RunsStatement, 'scope' | 'runs' | 'left_out'>;

/** A producer's own words, in a file whose lines mean something. */
function tagText(value: string): string {
  return /^[\w.:@/+ -]{1,256}$/.test(value) ? value : `sha256:${createHash('sha256').update(value).digest('hex')}`;
}

/** The RUN leaf of each; of `audit` the first few. */
function singlyProven({ runs }: FoundRuns, { log, indexes }: ScopedLog): readonly number[] {
  if (topicOfLog(log) === 'audit') return indexes.slice(0, MAX_SINGLE_PROOFS);
  return runs.flatMap(({ newest }) => (newest.log === log ? [newest.index] : []));
}

async function writeFiles({ runs }: FoundRuns, stated: Stated, made: WrittenLeaves): Promise<RunsStatement> {
  const { read, head, written, logs, add, addSmall, onRun } = made;
  const files = written.map(({ file }) => file);
  const statement: RunsStatement = {
    format: head.format,
    scope: stated.scope,
    disclosure: head.disclosure,
    logs: head.logs,
    runs: stated.runs,
    left_out: stated.left_out,
    others: 'NOT_PROVEN',
  };
  const recordsOf = (run: RunScope) => readRunRecords(run.runId, recordsOfRun(files, run.logs));
  const content = contentOf(read.mapping, written);
  const reportAt = async (place: number, records?: RunRecords) => {
    const run = runs[place] as RunScope;
    return reportOf({
      statement: {
        ...head,
        scope: { kind: 'RUN', tenant_id: run.tenantId, run_id: run.runId },
        complete_by: completeBy(run),
      },
      run: records ?? (await recordsOf(run)),
      directory: directoryOf(place),
      files: recordsOfRun(files, run.logs),
      logs,
      contentOf: content,
    });
  };
  const short: RunInShort[] = [];
  for (const [place, run] of runs.entries()) {
    await addSmall(`${directoryOf(place)}/leaves.json`, [runLeavesText(run.logs)]);
    const records = await recordsOf(run);
    for (const { name, pieces } of runFiles(records, directoryOf(place))) await addSmall(name, pieces());
    short.push(inShort(await reportAt(place, records)));
    onRun(place + 1, runs.length);
  }
  if (head.disclosure === 'all') await add('data/spans.otlp.json', spansText(each(runs, recordsOf), written));
  const report = await runsReportOf({ statement, runs: short, reportAt, files, logs });
  await add('data/report.html', runsReportHtml(report));
  await add('data/report.pdf', runsReportPdf(report));
  await add('VERIFY.md', [VERIFY_PAGE]);
  return statement;
}

/** Where the files of a run lie, whatever its id has in it. */
function directoryOf(place: number): string {
  return `data/runs/${place + 1}`;
}

async function* each<T, U>(items: readonly T[], read: (item: T) => Promise<U>): AsyncGenerator<U> {
  for (const item of items) yield await read(item);
}
