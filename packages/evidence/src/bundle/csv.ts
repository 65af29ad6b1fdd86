/**
 * What a spreadsheet takes for the beginning of a formula, in the forms of all scripts that it folds into one (full width, small, raised,
 * lowered, of mathematics), and what it skips, or nobody sees, before.
 */
const FORMULA =
  /^[\s\u0000-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]*[=+\-@|%\uFF1D\uFF0B\uFF0D\uFF20\uFE66\uFE62\uFE63\uFE6B\u2212\u207A-\u207C\u208A-\u208C\uFB29\u2A75\u2A76]|^[\t\r\n]/u;

/** One cell (RFC 4180), which no spreadsheet takes for a formula: what might be one has an apostrophe before it. Null is empty. */
export function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n\t]|^\s|\s$/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** One row, its end included. */
export function csvRow(cells: readonly (string | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
