/** Where a command writes. Values that others chose (names, labels, error texts) go through `line` and `note`, which disarm them. */
export interface Terminal {
  /** One line of the answer, to standard output. */
  line(text: string): void;
  /** The answer as one JSON document. */
  json(value: unknown): void;
  /** One line of an answer that goes on, as JSON. */
  jsonLine(value: unknown): void;
  /** The same, several at once. Resolves when all are handed over; rejects when nobody reads any more: what comes after that would go nowhere. */
  jsonLines(values: readonly unknown[]): Promise<void>;
  /** Exact bytes to standard output, nothing added: only for what is evidence. */
  bytes(bytes: Uint8Array): void;
  /** One line beside the answer (progress, warnings), to standard error. */
  note(text: string): void;
}

/** What a terminal may be made to obey or to show reordered: C0 and C1 controls, bidi controls, invisible marks, line separators. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** `text` with everything a terminal could obey written out as `\u{…}`. A producer chooses names; it must not choose what an operator sees. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (harmful) => `\\u{${(harmful.codePointAt(0) ?? 0).toString(16)}}`);
}

/** JSON that is as safe to print: the same characters as JSON's own escapes, so that it parses back to the same value. */
export function printableJson(value: unknown, indent = 2): string {
  const text = JSON.stringify(value, null, indent);
  return text
    .split('\n')
    .map((line) => line.replace(HARMFUL, (harmful) => harmful.split('').map(jsonEscape).join('')))
    .join('\n');
}

/** A terminal on two streams. Whoever reads them may leave (`| head -1`): what is written after that goes nowhere, and the work is finished. */
export function terminalOn(stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): Terminal {
  for (const stream of [stdout, stderr]) stream.on('error', passIfReaderLeft);
  return {
    line: (text) => void stdout.write(`${printable(text)}\n`),
    json: (value) => void stdout.write(`${printableJson(value)}\n`),
    jsonLine: (value) => void stdout.write(`${printableJson(value, 0)}\n`),
    jsonLines: (values) => handOver(stdout, values.map((value) => `${printableJson(value, 0)}\n`).join('')),
    bytes: (bytes) => void stdout.write(bytes),
    note: (text) => void stderr.write(`${printable(text)}\n`),
  };
}

/** Rows as aligned columns under their headings. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const shown = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? '').length)));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function handOver(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error == null ? resolve() : reject(error)));
  });
}

function passIfReaderLeft(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
}

function jsonEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
