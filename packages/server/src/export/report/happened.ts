import type { RunRow } from '@sworn/evidence';
import { type Block, type Row, said, type Value } from './block.js';
import { durationText, grouped, moneyText, timeText, wordsOf } from './figures.js';
import type { Form } from './form.js';
import type { Report, RowContent } from './report.js';
import { CONTENT_CHARS } from './text.js';

/** What happened, in order. */
export function happenedTable(report: Report, { rows }: Form): Block {
  return {
    kind: 'table',
    caption: 'What happened, in the order of time',
    columns: [
      { head: 'Time (UTC)', share: 18 },
      { head: 'What', share: 13 },
      { head: 'Name and detail', share: 25 },
      { head: 'Outcome', share: 10 },
      { head: 'Tokens, cost', share: 13 },
      { head: 'Record', share: 21 },
    ],
    rows: happenedRows(report, rows),
  };
}

async function* happenedRows(report: Report, most: number): AsyncGenerator<Row> {
  if (report.rows <= most) {
    yield* shown(report, 0, report.rows);
    return;
  }
  const half = Math.floor(most / 2);
  yield* shown(report, 0, half);
  const left = report.rows - 2 * half;
  yield {
    left: `${grouped(left)} rows stand here that this file does not show: they are in ${report.directory}/events.csv and data/report.html`,
  };
  yield* shown(report, report.rows - half, report.rows);
}

async function* shown(report: Report, first: number, below: number): AsyncGenerator<Row> {
  for await (const row of report.rowsOf(first, below))
    yield happenedRow(row, await report.contentOf(row.log, row.leaf_index));
}

const SOURCES = { step: 'Step', governance: 'Governance', system: 'System record' } as const;

function happenedRow(row: RunRow, content: RowContent | null): readonly Value[] {
  const tokens = row.input_tokens === null && row.output_tokens === null;
  return [
    timeLines(row.time, row.recorded_at),
    [
      ...said(wordsOf(row.what ?? 'OTHER'), { strong: true }),
      ...said(row.step === null ? SOURCES[row.source] : `${SOURCES[row.source]}, ${placeText(row)}`),
    ],
    [
      ...said(content?.name, { strong: true }),
      ...said(row.name, content?.name == null ? { strong: true } : {}),
      ...said(row.model, { label: 'model' }),
      ...said(row.policy, { label: 'policy' }),
      ...said(row.actor, { label: row.source === 'system' ? 'component' : 'by' }),
      ...contentLines(content),
    ],
    [
      ...said(row.outcome === null ? null : wordsOf(row.outcome), { strong: true }),
      ...said(durationText(row.duration_ms)),
    ],
    [
      ...(tokens ? [] : said(`${countText(row.input_tokens)} in, ${countText(row.output_tokens)} out`)),
      ...said(moneyText(row.cost_usd)),
    ],
    recordLines(row),
  ];
}

/** A step's own place; of another record that of the step that it names. */
function placeText({ source, step }: RunRow): string {
  return source === 'step' ? `no. ${grouped(step ?? 0)}` : `at step ${grouped(step ?? 0)}`;
}

function countText(count: number | null): string {
  return count === null ? 'not said' : grouped(count);
}

/** What is disclosed of a record. */
export function contentLines(content: RowContent | null): Value {
  return (content?.parts ?? []).flatMap(({ label, text }) => said(text, { label, max: CONTENT_CHARS }));
}

/** When it happened, as the application says, and when it was written, by the clock of the log. */
export function timeLines(time: string, recordedAt: string | null): Value {
  return [...said(timeText(time)), ...said(recordedAt === null ? null : timeText(recordedAt), { label: 'recorded' })];
}

/** Where a record stands, and its hash. */
export function recordLines(record: {
  readonly log: string;
  readonly leaf_index: number;
  readonly checksum: string;
}): Value {
  return [
    ...said(`${record.log} #${record.leaf_index}`),
    ...said(record.checksum.replace('sha256:', ''), { mono: true }),
  ];
}
