import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvCell, csvRow } from '../src/bundle/csv.js';

/** What RFC 4180 says a reader does; anything it does not allow throws. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const match = cell.exec(text);
    if (match === null) throw new Error(`not CSV at ${at}`);
    const [, quoted, bare, end] = match;
    row.push(quoted?.replaceAll('""', '"') ?? bare ?? '');
    if (end !== '\r\n') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** Characters that spreadsheets skip, or that nobody sees, before a formula. */
const BEFORE = [
  '',
  ' ',
  '\u00a0',
  '\u3000',
  '\u200b',
  '\u200e',
  '\u2060',
  '\ufeff',
  '\u00ad',
  '\u0000',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u0085',
  '\u180e',
  '\u202e',
  '\u2066',
];
/** What begins a formula, in all the forms that are folded into it. */
const FORMULAS = [
  ...Array.from(
    '=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212\ufb29\u2a75',
  ),
  '\t=',
  '\r=',
  '\n=',
  '|',
  '%',
];

const hostile = fc
  .tuple(
    fc.array(fc.constantFrom(...BEFORE), { maxLength: 3 }),
    fc.constantFrom(...FORMULAS),
    fc.string({ unit: 'binary' }),
  )
  .map(([before, formula, rest]) => before.join('') + formula + rest);
const anything = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...Array.from('",\r\n\t \'=a;')) }),
  hostile,
);

/** The value that a reader finds in one cell. */
const readBack = (cell: string): string => readCsv(`${cell},\r\n`)[0]?.[0] ?? '';

test('what could begin a formula has an apostrophe before it, whatever stands before and however it is written', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(readBack(csvCell(text))).toBe(`'${text}`);
    }),
  );
});

test('no character that folds into the beginning of a formula is forgotten', () => {
  const forgotten: string[] = [];
  for (let code = 1; code < 0x11_0000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    if (/^[=+\-@]/.test(character.normalize('NFKC')) && readBack(csvCell(`${character}1`)) !== `'${character}1`)
      forgotten.push(code.toString(16));
  }
  expect(forgotten).toEqual([]);
});

test('a cell is read back as what was written, or as that with an apostrophe before it', () => {
  fc.assert(
    fc.property(anything, (text) => {
      expect([text, `'${text}`]).toContain(readBack(csvCell(text)));
    }),
  );
  expect([csvCell(null), csvCell(0), csvCell(-5), csvCell('plain'), csvCell('a,b'), csvCell('=1')]).toEqual([
    '',
    '0',
    '-5',
    'plain',
    '"a,b"',
    "'=1",
  ]);
});

test('a row is one row, whatever its cells hold', () => {
  fc.assert(
    fc.property(fc.array(fc.array(anything, { minLength: 2, maxLength: 6 }), { maxLength: 4 }), (rows) => {
      const read = readCsv(rows.map(csvRow).join(''));
      expect(read.map((row) => row.length)).toEqual(rows.map((row) => row.length));
    }),
  );
});

const python = spawnSync('python3', ['-c', 'import csv']).status === 0;

test('Python reads the same rows', (context) => {
  context.skip(!python, 'python3 is not installed');
  // Without NUL, which the csv module of Pythons before 3.11 refuses.
  const cell = anything.map((text) => text.replaceAll('\0', ''));
  const rows = fc.sample(fc.array(cell, { minLength: 2, maxLength: 8 }), 300);
  const script =
    'import csv,io,json,sys\nt=io.TextIOWrapper(sys.stdin.buffer,"utf-8",newline="")\njson.dump(list(csv.reader(t,strict=True)),sys.stdout)';
  const text = rows.map(csvRow).join('');
  const { stdout, stderr } = spawnSync('python3', ['-c', script], {
    input: text,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual(readCsv(text));
});
