import type { Tx } from '../src/store/database.js';
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

/** Runs every statement twice: once to be explained, under the reader's role and its row-level security. */
export function explaining(tx: Tx, cost: Cost): Tx {
  return {
    ...tx,
    async query(piece) {
      const [row] = await tx.query<{ 'QUERY PLAN': unknown }>(sql`explain (analyze, buffers, format json) ${piece}`);
      const said = row?.['QUERY PLAN'];
      const [{ Plan }] = (typeof said === 'string' ? JSON.parse(said) : said) as [{ Plan: PlanNode }];
      addCost(cost, Plan);
      cost.blocks += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
      return tx.query(piece);
    },
  };
}
