import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Row } from './row.js';
import { coldStartRow } from './rows/coldStart.js';
import { ingestRow } from './rows/ingest.js';
import { memoryRow } from './rows/memory.js';

const ROWS: Readonly<Record<string, () => Promise<Row>>> = {
  'cold-start': coldStartRow,
  memory: memoryRow,
  ingest: ingestRow,
};

const { values: options } = parseArgs({
  options: { only: { type: 'string', multiple: true }, json: { type: 'string' } },
});
const wanted = options.only ?? Object.keys(ROWS);
const unknown = wanted.filter((name) => ROWS[name] === undefined);
if (unknown.length > 0) {
  console.error(`no row is called ${unknown.join(', ')}; there are ${Object.keys(ROWS).join(', ')}`);
  process.exit(2);
}

const machine = { node: process.versions.node, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
console.log(`Node ${machine.node}, ${machine.cores} cores, ${machine.cpu}`);
const rows: Row[] = [];
for (const name of wanted) {
  const row = await ROWS[name]?.();
  if (row === undefined) continue;
  rows.push(row);
  console.log(`\n${row.row}`);
  for (const [key, value] of Object.entries(row.values))
    console.log(`  ${key.padEnd(26)} ${shown(value).padStart(10)}`);
}
if (options.json !== undefined)
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, rows: rows.map(({ row, values }) => ({ row, ...values })) }, null, 2)}\n`,
  );

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
