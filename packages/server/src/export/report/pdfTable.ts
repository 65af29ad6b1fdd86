import type { Block, Column, Row } from './block.js';
import { type SetLine, setLine, setLines, type TextStyle } from './pdfLines.js';
import { MARGIN, type Sheet, WIDTH } from './sheet.js';

const CELL: TextStyle = { face: 'sans', size: 7, color: '#1b1f24' };
const HEAD: TextStyle = { ...CELL, face: 'bold' };
const LINE = 9.2;
const PAD = 3;
/** A row that is higher is not kept on one page, in points. */
const MOST_KEPT = 240;

/** A table, its head on each page; in steps, a row each. */
export async function* tablePdf(
  sheet: Sheet,
  { caption, columns, rows }: Extract<Block, { kind: 'table' }>,
): AsyncGenerator<void> {
  sheet.need(74);
  sheet.y += 4;
  for (const line of setLines(
    sheet.faces,
    { pieces: [{ kind: 'plain', text: caption }], style: { ...HEAD, size: 8.5 } },
    WIDTH,
  )) {
    sheet.draw(line, MARGIN, sheet.y + 8.5);
    sheet.y += 13;
  }
  const widths = columns.map(({ share }) => (share / 100) * WIDTH);
  headRow(sheet, columns, widths);
  for await (const row of rows) {
    putRow(sheet, cellsOf(sheet, row, widths), {
      widths,
      isLeft: 'left' in row,
      again: () => headRow(sheet, columns, widths),
    });
    yield;
  }
  sheet.y += 10;
}

function headRow(sheet: Sheet, columns: readonly Column[], widths: readonly number[]): void {
  const cells = columns.map(({ head }, i) =>
    setLines(sheet.faces, { pieces: [{ kind: 'plain', text: head }], style: HEAD }, (widths[i] ?? 0) - 2 * PAD),
  );
  const height = Math.max(...cells.map(({ length }) => length)) * LINE + 2 * PAD;
  sheet.fill('#e9edf1', MARGIN, sheet.y, WIDTH, height);
  for (let i = 0; i * LINE < height - 2 * PAD; i++)
    drawLine(sheet, cells, { widths, at: i, y: sheet.y + PAD + i * LINE });
  sheet.y += height;
}

function cellsOf(sheet: Sheet, row: Row, widths: readonly number[]): SetLine[][] {
  if ('left' in row)
    return [setLines(sheet.faces, { pieces: [{ kind: 'plain', text: row.left }], style: HEAD }, WIDTH - 2 * PAD)];
  return row.map((value, i) => {
    if (value.length === 0) return setLine(sheet.faces, { text: '–' }, { style: CELL, width: 20 });
    return value.flatMap((line) => setLine(sheet.faces, line, { style: CELL, width: (widths[i] ?? 0) - 2 * PAD }));
  });
}

interface Placed {
  readonly widths: readonly number[];
  readonly isLeft: boolean;
  /** Draws the head on a new page. */
  readonly again: () => void;
}

function putRow(sheet: Sheet, cells: readonly SetLine[][], { widths, isLeft, again }: Placed): void {
  const count = Math.max(...cells.map(({ length }) => length));
  const height = count * LINE + 2 * PAD;
  const turn = () => {
    sheet.turn();
    again();
  };
  if (!sheet.hasRoom(height) && (height <= MOST_KEPT || !sheet.hasRoom(3 * LINE))) turn();
  if (isLeft) sheet.fill('#fff8e6', MARGIN, sheet.y, WIDTH, height);
  sheet.y += PAD;
  for (let at = 0; at < count; at++) {
    if (!sheet.hasRoom(LINE)) turn();
    drawLine(sheet, cells, { widths, at, y: sheet.y });
    sheet.y += LINE;
  }
  sheet.y += PAD;
  sheet.rule('#d0d7de');
}

function drawLine(
  sheet: Sheet,
  cells: readonly SetLine[][],
  { widths, at, y }: { readonly widths: readonly number[]; readonly at: number; readonly y: number },
): void {
  let x = MARGIN;
  for (const [i, lines] of cells.entries()) {
    const line = lines[at];
    if (line !== undefined) sheet.draw(line, x + PAD, y + CELL.size);
    x += widths[i] ?? 0;
  }
}
