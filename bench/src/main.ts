import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { markdown, plainText } from './print.js';
import type { Row, RowOptions } from './row.js';
import { coldStartRow } from './rows/coldStart.js';
import { exportRow } from './rows/export.js';
import { fsckRow } from './rows/fsck.js';
import { ingestRow } from './rows/ingest.js';
import { memoryRow } from './rows/memory.js';
import { newRecordsRow } from './rows/newRecords.js';
import { overheadRow } from './rows/overhead.js';
import { proofRow } from './rows/proof.js';
import { DAY_ONE_RUNS, readsRow } from './rows/reads.js';
import { replayRow } from './rows/replay.js';

const ROWS: Readonly<Record<string, (options: RowOptions) => Promise<Row>>> = {
  'cold-start': coldStartRow,
  memory: memoryRow,
  ingest: ingestRow,
  overhead: overheadRow,
  reads: readsRow,
  replay: replayRow,
  fsck: fsckRow,
  proof: proofRow,
  'new-records': newRecordsRow,
  export: exportRow,
};

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    runs: { type: 'string', default: String(DAY_ONE_RUNS) },
    data: { type: 'string' },
  },
});
const wanted = options.only ?? Object.keys(ROWS);
const unknown = wanted.filter((name) => ROWS[name] === undefined);
const runs = Number(options.runs);
if (unknown.length > 0) leave(`no row is called ${unknown.join(', ')}; there are ${Object.keys(ROWS).join(', ')}`);
if (!Number.isSafeInteger(runs) || runs < 1) leave(`--runs takes a number of runs, not ${options.runs}`);

const machine = { node: process.versions.node, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
console.log(`Node ${machine.node}, ${machine.cores} cores, ${machine.cpu}`);
const dataDir = options.data ?? mkdtempSync(join(tmpdir(), 'sworn-bench-data-'));
if (options.data === undefined) chmodSync(dataDir, 0o711); // as root, PostgreSQL runs under another uid and has to pass through
const rows: Row[] = [];
try {
  for (const name of wanted) {
    const row = await ROWS[name]?.({ runs, dataDir });
    if (row === undefined) continue;
    rows.push(row);
    console.log(`\n${options.markdown ? markdown(row) : plainText(row)}`);
  }
} finally {
  if (options.data === undefined) rmSync(dataDir, { recursive: true, force: true });
}
if (options.json !== undefined) {
  const flat = rows.map(({ row, values, lines }) => ({ row, ...values, ...(lines !== undefined && { lines }) }));
  writeFileSync(options.json, `${JSON.stringify({ machine, rows: flat }, null, 2)}\n`);
}

function leave(why: string): never {
  console.error(why);
  process.exit(2);
}
