import type { RecordFile, RunsStatement } from '@sworn/evidence';
import type { Report, ReportedLog } from './report.js';
import { type Survey, surveyOf } from './survey.js';

/** What a report on several runs is made of: the same bundle has the same report. */
export interface RunsReport {
  readonly statement: RunsStatement;
  /** In the order of the statement. */
  readonly runs: readonly RunInShort[];
  /** The report of one of them, by its place; read when it is written, and let go before the next. */
  reportAt(place: number): Promise<Report>;
  /** Of all records. */
  readonly survey: Survey;
  readonly logs: readonly ReportedLog[];
}

/** A run in the list of all. */
export interface RunInShort {
  readonly runId: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly status: string;
  readonly outcome: string | null;
  readonly steps: number;
  readonly events: number;
  readonly costUsd: string | null;
  /** When its newest RUN leaf was written. */
  readonly sealedAt: string;
}

/** What is told of a run in the list of all. */
export function inShort({ envelope, governance, seals }: Report): RunInShort {
  return {
    runId: envelope.run_id,
    startedAt: envelope.started_at,
    endedAt: envelope.completed_at,
    status: envelope.execution_status,
    outcome: envelope.outcome,
    steps: envelope.total_steps ?? 0,
    events: governance.length,
    costUsd: envelope.cost_usd,
    sealedAt: seals.at(-1)?.recordedAt ?? '',
  };
}

/** Makes the report; reads every leaf once, and again with each run. */
export async function runsReportOf(
  parts: Omit<RunsReport, 'survey'> & { readonly files: readonly RecordFile[] },
): Promise<RunsReport> {
  const { files, ...report } = parts;
  return { ...report, survey: await surveyOf(files) };
}
