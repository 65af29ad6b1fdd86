import type { Row } from './row.js';

/** A row for a person's eyes: its figures one a line, its lines as a table. */
export function plainText({ row, values, lines = [] }: Row): string {
  const figures = Object.entries(values).map(([key, value]) => `  ${key.padEnd(26)} ${shown(value).padStart(10)}`);
  return [row, ...figures, ...(lines.length === 0 ? [] : [table(lines)])].join('\n');
}

/** The same as Markdown. */
export function markdown({ row, values, lines = [] }: Row): string {
  const figures = [
    '| figure | value |',
    '|---|---|',
    ...Object.entries(values).map(([k, v]) => `| ${k} | ${shown(v)} |`),
  ];
  return [`### ${row}`, '', ...figures, ...(lines.length === 0 ? [] : ['', table(lines)]), ''].join('\n');
}

function table(lines: readonly Readonly<Record<string, string | number>>[]): string {
  const names = Object.keys(lines[0] ?? {});
  const cells = lines.map((line) => names.map((name) => cell(line[name])));
  const bar = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;
  return [bar(names), `|${names.map(() => '---|').join('')}`, ...cells.map(bar)].join('\n');
}

function cell(value: string | number | undefined): string {
  return typeof value === 'number' ? shown(value) : (value ?? '');
}

function shown(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
