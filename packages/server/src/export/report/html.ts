import type { Block, Line, Row, Value } from './block.js';
import { documentOf } from './document.js';
import type { Form } from './form.js';
import { STYLE } from './htmlStyle.js';
import { logsDocumentOf, periodOf } from './logsDocument.js';
import type { LogsReport } from './logsReport.js';
import type { Report } from './report.js';
import { runsDocumentOf, titleOf } from './runsDocument.js';
import type { RunsReport } from './runsReport.js';
import { grouped, type Piece, piecesOf, restText } from './text.js';

/** The page shows every row. */
const FORM: Form = { rows: Number.MAX_SAFE_INTEGER, decisions: Number.MAX_SAFE_INTEGER, notes: [] };

/** Rows of one table body: a browser lays long tables out piece by piece. */
const ROWS_A_BODY = 500;

/**
 * `data/report.html`, in pieces. Nothing in it acts: no script, link, form, image or address; a policy in its head forbids all of them as well. Every text
 * of a record is escaped, and stands isolated, so that its direction turns nothing around it.
 */
export function reportHtml(report: Report): AsyncGenerator<string> {
  return pageHtml(`Report on run ${report.envelope.run_id}`, documentOf(report, FORM));
}

/** The same on several runs. */
export function runsReportHtml(report: RunsReport): AsyncGenerator<string> {
  return pageHtml(`Report on ${titleOf(report)}`, runsDocumentOf(report, { ...FORM, runs: Number.MAX_SAFE_INTEGER }));
}

/** Rows of what was recorded in a period: what a browser still scrolls through. */
const MAX_RECORDED = 20_000;

/** The same on the records of a period. */
export function logsReportHtml(report: LogsReport): AsyncGenerator<string> {
  const note = `This file shows at most ${grouped(MAX_RECORDED)} records, half of them from the beginning and half from the end; data/events.csv has all.`;
  return pageHtml(`Report on ${periodOf(report)}`, logsDocumentOf(report, { rows: MAX_RECORDED, notes: [note] }));
}

async function* pageHtml(title: string, blocks: Iterable<Block> | AsyncIterable<Block>): AsyncGenerator<string> {
  yield head(title);
  for await (const block of blocks) yield* blockHtml(block);
  yield '</main>\n</body>\n</html>\n';
}

function head(title: string): string {
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>${plain(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
`;
}

/** For places that hold no elements. */
function plain(text: string): string {
  return piecesOf(text)
    .map((piece) => escaped(piece.kind === 'rest' ? restText(piece.count) : piece.text))
    .join('');
}

async function* blockHtml(block: Block): AsyncGenerator<string> {
  switch (block.kind) {
    case 'title':
      return yield `<header><h1>${escaped(block.text)}</h1><p>${textHtml(block.about)}</p></header>\n`;
    case 'heading':
      return yield `<h2>${escaped(block.text)}</h2>\n`;
    case 'subheading':
      return yield `<h3>${escaped(block.text)}</h3>\n`;
    case 'paragraph':
      return yield `<p>${escaped(block.text)}</p>\n`;
    case 'notice':
      return yield `<p class="notice">${escaped(block.text)}</p>\n`;
    case 'list':
      return yield `<ul>\n${block.items.map((item) => `<li>${escaped(item)}</li>\n`).join('')}</ul>\n`;
    case 'code':
      return yield `<pre>${block.text
        .split('\n')
        .map((line) => textHtml(line, line.length))
        .join('\n')}</pre>\n`;
    case 'facts':
      return yield `<dl>\n${block.facts.map(({ term, value }) => `<dt>${escaped(term)}</dt><dd>${valueHtml(value)}</dd>\n`).join('')}</dl>\n`;
    case 'table':
      return yield* tableHtml(block);
    default:
      return block satisfies never;
  }
}

async function* tableHtml({ caption, columns, rows }: Extract<Block, { kind: 'table' }>): AsyncGenerator<string> {
  yield `<div class="wide"><table>\n<caption>${escaped(caption)}</caption>\n<colgroup>${columns.map(({ share }) => `<col style="width:${share}%">`).join('')}</colgroup>\n`;
  yield `<thead><tr>${columns.map((column) => `<th scope="col">${escaped(column.head)}</th>`).join('')}</tr></thead>\n<tbody>\n`;
  let count = 0;
  for await (const row of rows) {
    if (count > 0 && count % ROWS_A_BODY === 0) yield '</tbody>\n<tbody>\n';
    yield rowHtml(row, columns.length);
    count++;
  }
  yield '</tbody>\n</table></div>\n';
}

function rowHtml(row: Row, columns: number): string {
  if ('left' in row) return `<tr class="left"><td colspan="${columns}">${escaped(row.left)}</td></tr>\n`;
  return `<tr>${row.map((value) => `<td>${valueHtml(value)}</td>`).join('')}</tr>\n`;
}

function valueHtml(value: Value): string {
  return value.length === 0 ? '<span class="none">–</span>' : value.map(lineHtml).join('');
}

function lineHtml({ text, label, mono, strong, max }: Line): string {
  const shown = textHtml(text, max);
  const inner = strong === true ? `<strong>${shown}</strong>` : shown;
  const named = label === undefined ? '' : `<span class="label">${escaped(label)}</span> `;
  return `<div${mono === true ? ' class="mono"' : ''}>${named}${inner}</div>`;
}

/** A text of a record, isolated. */
function textHtml(text: string, max?: number): string {
  return `<bdi>${piecesOf(text, max).map(pieceHtml).join('')}</bdi>`;
}

function pieceHtml(piece: Piece): string {
  switch (piece.kind) {
    case 'plain':
      return escaped(piece.text);
    case 'code':
      return `<span class="u">${piece.text}</span>`;
    case 'rest':
      return `<span class="rest">${restText(piece.count)}</span>`;
    default:
      return piece satisfies never;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
