import type { Block, Value } from './block.js';
import { documentOf } from './document.js';
import type { Form } from './form.js';
import { logsDocumentOf } from './logsDocument.js';
import type { LogsReport } from './logsReport.js';
import { type SetLine, setLine, setLines, type TextStyle } from './pdfLines.js';
import { tablePdf } from './pdfTable.js';
import type { Report } from './report.js';
import { runsDocumentOf, titleOf } from './runsDocument.js';
import type { RunsReport } from './runsReport.js';
import { MARGIN, Sheet, WIDTH } from './sheet.js';
import { grouped, type Piece, piecesOf, restText } from './text.js';

/** About 150 pages: more is read by nobody on paper, and the file is not compressed. */
const MAX_ROWS = 2_000;
const MAX_DECISIONS = 500;

/** Of several runs: each run's own part has a page at least. */
const MAX_RUNS = 50;
const MIN_ROWS = 10;

const FACES_NOTE =
  'The faces of this file have the scripts of Europe, Arabic and Hebrew; Chinese, Japanese, Korean and others of the basic plane of Unicode are set in a coarse face, their letters not joined. What no face has, most emoji with it, stands here by its number, as [U+1F468]. data/report.html has every character as it is.';

const FORM: Form = {
  rows: MAX_ROWS,
  decisions: MAX_DECISIONS,
  notes: [
    `This file shows at most ${grouped(MAX_ROWS)} rows of what happened, half of them from the beginning and half from the end, and the first ${MAX_DECISIONS} governance events; data/report.html, data/events.csv and data/governance.json have all.`,
    FACES_NOTE,
  ],
};

const INK = '#1b1f24';
const ACCENT = '#1f4e79';
const BODY: TextStyle = { face: 'sans', size: 9, color: INK };

/**
 * `data/report.pdf`, in pieces. It has text and rules alone: no link, action, script, form, picture or file. Its faces are embedded; it is not
 * compressed, since what deflate writes differs between versions of Node.
 */
export function reportPdf(report: Report): AsyncGenerator<Uint8Array> {
  const run = plain(report.envelope.run_id);
  const about = { subject: `run ${run}`, otherwise: 'a run of an AI system', date: dateOf(report.seals) };
  return sheetsPdf(about, documentOf(report, FORM));
}

/** The same on several runs. */
export function runsReportPdf(report: RunsReport): AsyncGenerator<Uint8Array> {
  const each = {
    rows: Math.floor(MAX_ROWS / report.runs.length),
    decisions: Math.floor(MAX_DECISIONS / report.runs.length),
  };
  const form = {
    rows: Math.max(MIN_ROWS, each.rows),
    decisions: Math.max(MIN_ROWS, each.decisions),
    runs: MAX_RUNS,
    notes: [
      `This file shows the first ${MAX_RUNS} runs one by one, and of each at most ${grouped(Math.max(MIN_ROWS, each.rows))} rows of what happened and ${grouped(Math.max(MIN_ROWS, each.decisions))} governance events; data/report.html has all.`,
      FACES_NOTE,
    ],
  };
  const about = {
    subject: plain(titleOf(report)),
    otherwise: 'runs of an AI system',
    date: dateOf(
      report.runs
        .flatMap(({ sealedAt }) => ({ recordedAt: sealedAt }))
        .sort((a, b) => (a.recordedAt < b.recordedAt ? -1 : 1)),
    ),
  };
  return sheetsPdf(about, runsDocumentOf(report, form));
}

/** The same on the records of a period. */
export function logsReportPdf(report: LogsReport): AsyncGenerator<Uint8Array> {
  const about = {
    subject: `${report.statement.scope.logs} records of a period`,
    otherwise: 'the records of a period',
    date: dateOf([{ recordedAt: report.statement.scope.to }]),
  };
  const note = `This file shows at most ${grouped(MAX_ROWS)} records, half of them from the beginning and half from the end; data/events.csv has all.`;
  return sheetsPdf(about, logsDocumentOf(report, { rows: MAX_ROWS, notes: [note, FACES_NOTE] }));
}

/** What a file is called: its subject, and where that is no name what it is anyway. */
interface About {
  readonly subject: string;
  readonly otherwise: string;
  readonly date: Date;
}

async function* sheetsPdf(
  { subject, otherwise, date }: About,
  blocks: Iterable<Block> | AsyncIterable<Block>,
): AsyncGenerator<Uint8Array> {
  const sheet = new Sheet({
    // pdfkit writes it into XML as it is: an id that is no name stays out.
    title: `Report on ${/^[\w .:/@+#-]+$/.test(subject) ? subject : otherwise}`,
    foot: `${subject.slice(0, 1).toUpperCase()}${subject.slice(1)}. For reading: the records are the evidence.`,
    date,
  });
  for await (const block of blocks) {
    for await (const _ of blockPdf(sheet, block)) yield* sheet.drained();
    yield* sheet.drained();
  }
  sheet.end();
  yield* sheet.drained();
}

/** When the run was sealed: a date of the records, since a file of today's would be another file tomorrow. */
function dateOf(seals: readonly { readonly recordedAt: string }[]): Date {
  const milliseconds = Date.parse(`${seals.at(-1)?.recordedAt.slice(0, 23) ?? ''}Z`);
  return new Date(Number.isNaN(milliseconds) ? 0 : milliseconds);
}

function plain(text: string): string {
  return piecesOf(text, 80)
    .map((piece) => (piece.kind === 'rest' ? restText(piece.count) : piece.text))
    .join('');
}

async function* blockPdf(sheet: Sheet, block: Block): AsyncGenerator<void> {
  switch (block.kind) {
    case 'title':
      paragraph(sheet, ours(block.text), { face: 'bold', size: 18, color: INK });
      paragraph(sheet, piecesOf(block.about), { ...BODY, color: '#57606a' });
      sheet.rule(ACCENT, 2);
      sheet.y += 14;
      return;
    case 'heading':
      sheet.need(90);
      sheet.y += 12;
      paragraph(sheet, ours(block.text), { face: 'bold', size: 12.5, color: ACCENT });
      return;
    case 'subheading':
      sheet.need(80);
      sheet.y += 4;
      paragraph(sheet, ours(block.text), { face: 'bold', size: 9.5, color: INK });
      return;
    case 'paragraph':
      paragraph(sheet, ours(block.text), BODY);
      return;
    case 'notice':
      boxed(sheet, setParagraph(sheet, ours(block.text), BODY, WIDTH - 24), {
        fill: '#fff8e6',
        edge: '#b7791f',
        style: BODY,
      });
      return;
    case 'list':
      for (const item of block.items) bullet(sheet, item);
      sheet.y += 4;
      return;
    case 'code': {
      const style: TextStyle = { face: 'mono', size: 7.5, color: INK };
      const lines = block.text
        .split('\n')
        .flatMap((line) => setParagraph(sheet, piecesOf(line, line.length), style, WIDTH - 24));
      boxed(sheet, lines, { fill: '#f4f6f8', edge: '#f4f6f8', style });
      return;
    }
    case 'facts':
      for (const { term, value } of block.facts) fact(sheet, term, value);
      sheet.y += 6;
      return;
    case 'table':
      yield* tablePdf(sheet, block);
      return;
    default:
      block satisfies never;
  }
}

/** Words of ours: nothing in them is hidden or long. */
function ours(text: string): readonly Piece[] {
  return [{ kind: 'plain', text }];
}

function setParagraph(sheet: Sheet, pieces: readonly Piece[], style: TextStyle, width = WIDTH): SetLine[] {
  return setLines(sheet.faces, { pieces, style }, width);
}

function paragraph(sheet: Sheet, pieces: readonly Piece[], style: TextStyle): void {
  for (const line of setParagraph(sheet, pieces, style)) putLine(sheet, line, style.size);
  sheet.y += style.size * 0.6;
}

function putLine(sheet: Sheet, line: SetLine, size: number, x = MARGIN): void {
  sheet.need(size * 1.4);
  sheet.draw(line, x, sheet.y + size);
  sheet.y += size * 1.4;
}

function bullet(sheet: Sheet, item: string): void {
  for (const [i, line] of setParagraph(sheet, ours(item), BODY, WIDTH - 14).entries()) {
    sheet.need(BODY.size * 1.4);
    if (i === 0) sheet.fill(ACCENT, MARGIN + 2, sheet.y + 4.6, 3, 3);
    putLine(sheet, line, BODY.size, MARGIN + 14);
  }
  sheet.y += 2;
}

/** Lines on a ground of their own, on one page. */
function boxed(
  sheet: Sheet,
  lines: readonly SetLine[],
  { fill, edge, style }: { readonly fill: string; readonly edge: string; readonly style: TextStyle },
): void {
  const height = lines.length * style.size * 1.4 + 12;
  sheet.need(height);
  sheet.fill(fill, MARGIN, sheet.y, WIDTH, height);
  sheet.fill(edge, MARGIN, sheet.y, 3, height);
  sheet.y += 6;
  for (const line of lines) putLine(sheet, line, style.size, MARGIN + 12);
  sheet.y += 12;
}

const TERM_WIDTH = 118;

function fact(sheet: Sheet, term: string, value: Value): void {
  const lines = value.flatMap((line) => setLine(sheet.faces, line, { style: BODY, width: WIDTH - TERM_WIDTH }));
  const terms = setParagraph(sheet, ours(term), { ...BODY, color: '#57606a' }, TERM_WIDTH - 8);
  sheet.need(BODY.size * 1.4 * Math.max(lines.length, terms.length) + 4);
  const top = sheet.y;
  for (const [i, line] of terms.entries()) sheet.draw(line, MARGIN, top + BODY.size * (1 + 1.4 * i));
  for (const line of lines) putLine(sheet, line, BODY.size, MARGIN + TERM_WIDTH);
  sheet.y = Math.max(sheet.y, top + terms.length * BODY.size * 1.4) + 1.5;
  sheet.rule('#d0d7de');
  sheet.y += 2.5;
}
