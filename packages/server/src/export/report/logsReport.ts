import { type LogRow, logRows, type LogsStatement, type RecordFile } from '@sworn/evidence';
import type { ReportedLog } from './report.js';
import { type Survey, surveyOf } from './survey.js';

/** What a report on the records of a period is made of: the same bundle has the same report. */
export interface LogsReport {
  readonly statement: LogsStatement;
  /** How many rows `rows` has: the records that are shown. */
  readonly count: number;
  /** Each record that is shown, in the order in which they were recorded. */
  rows(): AsyncIterable<LogRow>;
  /** Of the records that are shown. */
  readonly survey: Survey;
  readonly logs: readonly ReportedLog[];
}

/** Makes the report; reads every leaf once, and again when the rows are written. */
export async function logsReportOf(
  parts: Pick<LogsReport, 'statement' | 'logs'> & { readonly files: readonly RecordFile[] },
): Promise<LogsReport> {
  const { files, ...report } = parts;
  const count = files.reduce((sum, { indexes }) => sum + indexes.length, 0);
  return { ...report, count, rows: () => inOrderOfTime(files), survey: await surveyOf(files) };
}

/** Of records of one time that of the first log comes first: within a log time never goes back. */
async function* inOrderOfTime(files: readonly RecordFile[]): AsyncGenerator<LogRow> {
  const logs = files.map((file) => logRows(file));
  const heads = await Promise.all(logs.map((rows) => rows.next()));
  for (;;) {
    let first: { readonly at: number; readonly row: LogRow } | null = null;
    for (const [at, head] of heads.entries()) {
      if (head.done === true) continue;
      if (first === null || timeOf(head.value) < timeOf(first.row)) first = { at, row: head.value };
    }
    if (first === null) return;
    yield first.row;
    heads[first.at] = await (logs[first.at] as (typeof logs)[number]).next();
  }
}

function timeOf({ recorded_at: time }: LogRow): string {
  return time ?? '';
}
