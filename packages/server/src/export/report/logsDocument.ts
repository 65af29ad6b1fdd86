import type { LogRow, LogScopeName, PeriodRange } from '@sworn/evidence';
import { type Block, type Row, said, type Value } from './block.js';
import { coveredBy, integrity, sentBy } from './custody.js';
import { checking, factsOf, NOTICE } from './document.js';
import { grouped, many, timeText, wordsOf } from './figures.js';
import type { Form } from './form.js';
import { recordLines } from './happened.js';
import type { LogsReport } from './logsReport.js';
import { notShownOfAll } from './notShown.js';

const SCOPES: Readonly<Record<LogScopeName, string>> = {
  audit: 'what was reported of rules, approvals and limits',
  compliance: 'what was decided, who looked at the records, and what the administration did',
  system: 'what happened around the runs',
};

/** What the report is on, in words. */
export function periodOf({ statement: { scope } }: LogsReport): string {
  return `${scope.logs} records from ${edgeText(scope.from)} to ${edgeText(scope.to)}`;
}

/** Where a period begins or ends; mostly at a whole second. */
function edgeText(time: string): string {
  return `${timeText(time).replace(/\.0{6}$/, '')} UTC`;
}

/** A report on the records of a period, part by part. */
export function* logsDocumentOf(report: LogsReport, form: Omit<Form, 'decisions'>): Generator<Block> {
  yield* opening(report);
  yield* complete(report);
  yield* recorded(report, form);
  yield* notShownOfAll(report, [
    'Contents that are disclosed stand in data/disclosures, and not in this file.',
    ...form.notes,
  ]);
  yield* sentBy(report);
  yield* coveredBy(report);
  yield* integrity(report);
  yield* checking();
}

function* opening(report: LogsReport): Generator<Block> {
  const { scope, population } = report.statement;
  const { sample } = scope;
  yield { kind: 'title', text: 'Report on the records of a period', about: periodOf(report) };
  yield NOTICE;
  yield { kind: 'heading', text: 'Summary' };
  yield {
    kind: 'facts',
    facts: factsOf([
      ['Records', said(`${scope.logs}: ${SCOPES[scope.logs]}`)],
      ['Tenant', said(scope.tenant_id, { mono: true })],
      ['Recorded from', said(edgeText(scope.from))],
      ['to before', said(edgeText(scope.to))],
      ['In the period', said(many(population, 'record'), { strong: true })],
      ['Shown whole', said(grouped(report.count))],
      ['As bare hashes', said(population === report.count ? null : grouped(population - report.count))],
      ['Sample of', said(sample === null ? null : grouped(sample.size))],
      ['drawn with the nonce', said(sample?.nonce, { mono: true })],
    ]),
  };
  if (sample === null) return;
  yield {
    kind: 'paragraph',
    text:
      sample.size === 0
        ? 'No record is drawn yet: every one of the period is there as a hash, so that a sample can be drawn from them that nobody can steer any more.'
        : 'Which records are shown was decided by their hashes, the signed root of their log, and the nonce. Whoever made this bundle could not choose them, if the root was fixed before he knew the nonce; the verifier draws them again.',
  };
}

/** That none is left out, and by what that is known. */
function* complete({ statement }: LogsReport): Generator<Block> {
  yield { kind: 'heading', text: 'Whether they are all' };
  yield {
    kind: 'paragraph',
    text: 'A log has its records in the order in which they were recorded, so those of a period lie side by side. The record before them was recorded before the period began, and the one after them once it was over; both are in the bundle (proofs/<log>/boundary.ndjson) and proven as the others are. Where there is none after them yet, they are all up to the checkpoint, and more may have followed.',
  };
  if (statement.complete_by.length > 0) {
    yield {
      kind: 'table',
      caption: 'Records of the period, by log',
      columns: [
        { head: 'Log', share: 20 },
        { head: 'Records', share: 34 },
        { head: 'Before them', share: 20 },
        { head: 'After them', share: 26 },
      ],
      rows: statement.complete_by.map(rangeRow),
    };
  }
  if (statement.uncovered.length === 0) return;
  yield {
    kind: 'paragraph',
    text: `Nothing is proven of these, not even that there is nothing, since no checkpoint covered a record of them: ${statement.uncovered.join(', ')}.`,
  };
}

function rangeRow({ log, first, count, before, after }: PeriodRange): Row {
  return [
    said(log, { strong: true }),
    [...said(many(count, 'record')), ...said(count === 0 ? null : `#${first} to #${first + count - 1}`)],
    said(before === null ? 'none: the log begins' : `#${before}`),
    said(after === null ? 'none yet: complete up to the checkpoint' : `#${after}`),
  ];
}

function* recorded(report: LogsReport, form: Pick<Form, 'rows'>): Generator<Block> {
  yield { kind: 'heading', text: 'What was recorded' };
  yield {
    kind: 'paragraph',
    text: 'Times are those of the clock of the log, in UTC; when it happened, as whoever sent it says, stands below. A record is named by its log and place there, and by the SHA-256 of its bytes. A person, and the address that somebody asked from, appears as a token (tok_…).',
  };
  yield {
    kind: 'table',
    caption: 'What was recorded, in the order of time',
    columns: [
      { head: 'Recorded (UTC)', share: 18 },
      { head: 'What', share: 21 },
      { head: 'Who, and of what', share: 26 },
      { head: 'Outcome', share: 14 },
      { head: 'Record', share: 21 },
    ],
    rows: rowsOf(report, form.rows),
  };
}

/** As many from the beginning as from the end. */
async function* rowsOf(report: LogsReport, most: number): AsyncGenerator<Row> {
  const { count } = report;
  const half = count <= most ? count : Math.floor(most / 2);
  let at = 0;
  for await (const row of report.rows()) {
    if (at < half || at >= count - half) yield rowOf(row);
    else if (at === half)
      yield {
        left: `${grouped(count - 2 * half)} rows stand here that this file does not show: data/events.csv has all`,
      };
    at++;
  }
}

function rowOf(row: LogRow): readonly Value[] {
  return [
    [...said(timeText(row.recorded_at ?? '')), ...said(timeText(row.occurred_at ?? ''), { label: 'happened' })],
    [...said(wordsOf(row.kind ?? ''), { strong: true }), ...said(row.what), ...said(row.name, { label: 'event' })],
    [
      ...said(row.actor, { label: 'by' }),
      ...said(row.by === 'sworn' ? 'the log itself' : row.by, { label: 'sent by' }),
      ...said(row.run_id, { label: 'run' }),
      ...said(row.policy, { label: 'rule' }),
      ...said(row.correlation_id, { label: 'correlation' }),
    ],
    [...said(wordsOf(row.outcome ?? ''), { strong: true }), ...said(row.reason)],
    recordLines({ log: row.log, leaf_index: row.leaf_index, checksum: row.checksum }),
  ];
}
