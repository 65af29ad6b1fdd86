import type { PoolClient } from 'pg';
import type { Database, Tx } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

/** What the scans of some statements read, and those that were sequential. `blocks`: an index that is walked reads them, and no rows. */
export interface Cost {
  rows: number;
  blocks: number;
  readonly sequential: string[];
}

function addCost(cost: Cost, node: PlanNode): void {
  if (node['Relation Name'] !== undefined) {
    cost.rows += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    if (node['Node Type'].includes('Seq Scan')) cost.sequential.push(node['Relation Name']);
  }
  for (const child of node.Plans ?? []) addCost(cost, child);
}

/** What `explain (analyze, buffers, format json)` says of one statement. */
function addPlan(cost: Cost, said: unknown): void {
  const [{ Plan }] = (typeof said === 'string' ? JSON.parse(said) : said) as [{ Plan: PlanNode }];
  addCost(cost, Plan);
  cost.blocks += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
}

/** Runs every statement twice: once to be explained, under the reader's role and its row-level security. */
export function explaining(tx: Tx, cost: Cost): Tx {
  return {
    ...tx,
    async query(piece) {
      const [row] = await tx.query<{ 'QUERY PLAN': unknown }>(sql`explain (analyze, buffers, format json) ${piece}`);
      addPlan(cost, row?.['QUERY PLAN']);
      return tx.query(piece);
    },
  };
}

/** The same of all that the reader asks of a database, whoever opens the transactions. */
export function explainingDatabase(db: Database, cost: Cost): Database {
  return {
    ...db,
    as(role) {
      const pool = db.as(role);
      const explained = Object.create(pool.pool, {
        connect: { value: async () => explainingClient(await pool.pool.connect(), cost) },
      }) as typeof pool.pool;
      return { ...pool, pool: explained };
    },
  };
}

/** Statements with parameters are questions; texts alone open and end transactions. */
function explainingClient(client: PoolClient, cost: Cost): PoolClient {
  const query = async (asked: string | { readonly text: string; readonly values: unknown[] }) => {
    if (typeof asked !== 'string') {
      const { text, values } = asked;
      const { rows } = await client.query(`explain (analyze, buffers, format json) ${text}`, values);
      addPlan(cost, (rows as { 'QUERY PLAN': unknown }[])[0]?.['QUERY PLAN']);
    }
    return client.query(asked as string);
  };
  return Object.create(client, { query: { value: query }, release: { value: (bad?: boolean) => client.release(bad) } });
}
