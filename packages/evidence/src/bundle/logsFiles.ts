import { csvRow } from './csv.js';
import type { DerivedFile } from './runFiles.js';
import { type ReadRecord, type RecordFile, readLeaf } from './runRecords.js';
import { leafOf } from './saidOf.js';

/** What is made of the records of a bundle of logs: a table of them. */
export function logsFiles(files: readonly RecordFile[]): readonly DerivedFile[] {
  return [{ name: 'data/events.csv', pieces: () => events(files) }];
}

/** A record of a log as one row; what its leaf does not say is empty. */
const COLUMNS = {
  recorded_at: ({ members: m }) => m.text('recorded_at'),
  occurred_at: ({ members: m }) => m.text('occurred_at'),
  log: ({ log }) => log,
  leaf_index: ({ index }) => index,
  kind: ({ members: m }) => m.text('kind'),
  what: ({ members: m }) => m.text('event_type') ?? m.text('endpoint') ?? m.text('subject'),
  name: ({ members: m }) => m.text('event_name'),
  outcome: ({ members: m }) => m.text('decision') ?? m.text('severity'),
  reason: ({ members: m }) => m.text('reason_code') ?? m.text('code'),
  policy: ({ members: m }) => m.text('policy_id') ?? m.text('rule_id') ?? m.text('rule'),
  actor: ({ members: m }) => m.text('actor_id') ?? m.text('credential_id') ?? m.text('component') ?? m.text('service'),
  by: ({ members: m }) => m.text('by'),
  run_id: ({ members: m }) => m.text('run_id'),
  correlation_id: ({ members: m }) => m.text('correlation_id'),
  record: (record) => leafOf(record).id,
  checksum: (record) => leafOf(record).checksum,
} as const satisfies Readonly<Record<string, (record: ReadRecord) => string | number | null>>;

/** A row of `events.csv`. */
export type LogRow = { readonly [K in keyof typeof COLUMNS]: ReturnType<(typeof COLUMNS)[K]> };

/** The rows of one log, in leaf order. */
export async function* logRows(file: RecordFile): AsyncGenerator<LogRow> {
  let line = 0;
  for await (const bytes of file.leaves()) {
    const record = { log: file.log, index: file.indexes[line++] as number, ...readLeaf(bytes) };
    yield Object.fromEntries(Object.entries(COLUMNS).map(([name, column]) => [name, column(record)])) as LogRow;
  }
}

/** A row each, log by log in leaf order. */
async function* events(files: readonly RecordFile[]): AsyncGenerator<string> {
  yield csvRow(Object.keys(COLUMNS));
  for (const file of files) for await (const row of logRows(file)) yield csvRow(Object.values(row));
}
