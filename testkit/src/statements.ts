import { appendFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';

/**
 * Set-up of each test file where `SWORN_TEST_STATEMENTS` names a file: a line of it says which statements that test file sent to the PostgreSQL of
 * `SWORN_TEST_DATABASE_URL`, which must count them (pg_stat_statements). `scripts/byUrl.mjs` says which files are enough of them.
 */
const file = process.env['SWORN_TEST_STATEMENTS'] ?? '';
const connectionString = process.env['SWORN_TEST_DATABASE_URL'];

/** What one test file sent. */
interface FileStatements {
  readonly file: string | undefined;
  readonly milliseconds: number;
  /** As PostgreSQL normalises them; those of superusers are the tests' own. */
  readonly statements: readonly string[];
}

let beganAt = 0;
beforeAll(async () => {
  await ask('create extension if not exists pg_stat_statements');
  await ask('select pg_stat_statements_reset()');
  beganAt = performance.now();
});

// Hooks that are named first end last: after the file's own.
afterAll(async () => {
  const milliseconds = Math.round(performance.now() - beganAt);
  const rows = await ask<{ query: string }>(
    'select distinct query from pg_stat_statements s where not exists (select from pg_roles r where r.oid = s.userid and r.rolsuper)',
  );
  const [lost] = await ask<{ dealloc: string }>('select dealloc from pg_stat_statements_info');
  if (lost?.dealloc !== '0') throw new Error('statements were forgotten: pg_stat_statements.max is too low');
  const statements = rows.map(({ query }) => query);
  const line: FileStatements = { file: expect.getState().testPath, milliseconds, statements };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
});

async function ask<T extends pg.QueryResultRow>(text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}
