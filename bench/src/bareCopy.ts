import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from, to } from 'pg-copy-streams';

/** What the database alone does with the same rows. */
export interface BareCopy {
  readonly rows: number;
  readonly bytes: number;
  readonly rowsPerSecond: number;
}

/** Rows a COPY, and so a commit: about what the sequencer puts into one transaction under load. */
const ROWS_PER_COMMIT = 2_000;

/**
 * Copies the leaf rows that are there into an empty table with the same columns, constraints and indexes, by COPY BINARY,
 * one commit every `ROWS_PER_COMMIT`: same cluster, same disk, same durability, and none of our code.
 * Reads them out beforehand, so that only writing is measured.
 */
export async function measureBareCopy(url: string, maxRows: number): Promise<BareCopy> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('set row_security = off');
    const batches: Buffer[] = [];
    const { rows: count } = await client.query<{ n: string }>('select count(*) as n from sworn.leaf');
    const rows = Math.min(Number(count[0]?.n ?? 0), maxRows);
    for (let offset = 0; offset < rows; offset += ROWS_PER_COMMIT) {
      batches.push(await readOut(client, Math.min(ROWS_PER_COMMIT, rows - offset), offset));
    }
    await client.query('create schema bench; create table bench.leaf (like sworn.leaf including all)');
    await client.query('checkpoint');
    const begun = performance.now();
    for (const batch of batches) {
      await pipeline(Readable.from([batch]), client.query(from('copy bench.leaf from stdin with (format binary)')));
    }
    const seconds = (performance.now() - begun) / 1000;
    await client.query('drop schema bench cascade');
    return { rows, bytes: batches.reduce((sum, batch) => sum + batch.length, 0), rowsPerSecond: rows / seconds };
  } finally {
    await client.end();
  }
}

async function readOut(client: pg.Client, limit: number, offset: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const question = `select * from sworn.leaf order by tenant_id, log, leaf_index limit ${limit} offset ${offset}`;
  await pipeline(client.query(to(`copy (${question}) to stdout with (format binary)`)), sink);
  return Buffer.concat(chunks);
}
