import { randomBytes } from 'node:crypto';
import { openDeployment, readConfig } from '@sworn/server';
import pg from 'pg';
import type { Filled } from '../fill/filled.js';
import type { Place } from '../server.js';
import type { Asked } from './statements.js';

/** The database without the server: the same driver, role and settings, in this process. */
export interface Bare {
  /** Runs the statements one after the other. False: the database refused one, by the role's statement timeout. */
  ask(statements: readonly Asked[]): Promise<boolean>;
  /** The same, then one row like an access record's leaf, committed and synced. */
  askAndInsert(statements: readonly Asked[]): Promise<boolean>;
  close(): Promise<void>;
}

/** The statement timeout of the role. */
const QUERY_CANCELED = '57014';

/** Opens it beside the running server, with as many connections as the server keeps for reading. */
export async function openBare(place: Place, superuserUrl: string, filled: Filled): Promise<Bare> {
  const admin = new pg.Client({ connectionString: superuserUrl });
  await admin.connect();
  await admin.query('set row_security = off');
  await admin.query('drop schema if exists bench cascade');
  await admin.query('create schema bench; create table bench.access_leaf (like sworn.leaf including all)');
  const { rows } = await admin.query<Record<string, unknown>>(
    `select * from sworn.leaf where tenant_id = $1 and log = 'access' order by leaf_index limit 1`,
    [filled.tenant],
  );
  const [sample] = rows;
  if (sample === undefined) throw new Error('a deployment whose reads left no record');
  const deployment = await openDeployment(readConfig(place.env), { database: 'beside', mustExist: true });
  const { options } = deployment.db.as('reader').pool;
  await admin.query(
    `grant usage on schema bench to ${options.user}; grant insert on bench.access_leaf to ${options.user}`,
  );
  await deployment.close();
  // The pool hides its password from a copy of its options.
  const pool = new pg.Pool({ ...options, password: options.password, connectionTimeoutMillis: 0 });
  // A reader's transactions are read-only unless told otherwise; the recorded ones say that they are.
  pool.on('connect', (client) => void client.query('set default_transaction_read_only = off'));

  const columns = Object.keys(sample);
  const insert = {
    name: 'access_leaf',
    text: `insert into bench.access_leaf (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
  };
  let index = 0;
  const row = () =>
    columns.map((name) => (name === 'leaf_index' ? index++ : name === 'event_key' ? randomBytes(32) : sample[name]));

  const run = async (client: pg.PoolClient, statements: readonly Asked[]): Promise<void> => {
    for (const { text, values, name } of statements) {
      if (values === null) await client.query(text);
      else await client.query({ text, values: [...values], ...(name !== null && { name }) });
    }
  };
  const withClient = async (work: (client: pg.PoolClient) => Promise<void>): Promise<boolean> => {
    const client = await pool.connect();
    try {
      await work(client);
      client.release();
      return true;
    } catch (error) {
      client.release(true);
      if (error instanceof pg.DatabaseError && error.code === QUERY_CANCELED) return false;
      throw error;
    }
  };
  return {
    ask: (statements) => withClient((client) => run(client, statements)),
    askAndInsert: (statements) =>
      withClient(async (client) => {
        await run(client, statements);
        await client.query({ ...insert, values: row() });
      }),
    async close() {
      await pool.end();
      await admin.query('drop schema bench cascade');
      await admin.end();
    },
  };
}
