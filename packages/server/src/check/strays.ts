import type { LogPlace } from '../store/checking.js';
import { readBeyondHead, readIsLog, readLogsInTables } from '../store/strayRows.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';
import { topicOf } from './leaves.js';
import { TABLES_OF } from './projections.js';

/** Check V10 for one log: rows that stand beyond its head. */
export async function checkBeyond(checking: Checking, place: LogPlace, tell: Tell): Promise<void> {
  for (const { table, first, rows } of await checking.ask((tx) => readBeyondHead(tx, place)))
    tell({
      ...place,
      code: 'BEYOND_HEAD',
      index: first,
      table,
      expected: 'nothing beyond the head',
      found: `${rows} rows`,
    });
}

/** Check V10 for the deployment: rows of tenants and logs that are none, and rows beside the leaves of another topic. */
export async function checkUnknown(
  checking: Checking,
  known: { readonly tenantId: string | null; isLog(place: LogPlace): boolean },
  tell: Tell,
): Promise<void> {
  for (const { table, tenantId, log } of await checking.ask(readLogsInTables)) {
    if (known.tenantId !== null && known.tenantId !== tenantId) continue;
    const place = { tenantId, log };
    const topic = topicOf(log);
    const at = { ...place, index: null, table };
    const isKnown = topic !== null && known.isLog(place);
    // One that began after the heads were read.
    if (topic !== null && !isKnown && (await checking.ask((tx) => readIsLog(tx, place)))) continue;
    if (!isKnown)
      tell({
        ...at,
        code: 'UNKNOWN_LOG',
        expected: 'rows of logs that there are',
        found: 'rows of one that there is not',
      });
    else if (BESIDE.has(table) && !besideOf(topic).includes(table))
      tell({ ...at, code: 'STRAY_ROW', expected: `no rows beside the leaves of ${topic}`, found: 'some' });
  }
}

function besideOf(topic: string): readonly string[] {
  return topic === 'llm-runs' ? [...(TABLES_OF[topic] ?? []), 'run_names'] : (TABLES_OF[topic] ?? []);
}

const BESIDE: ReadonlySet<string> = new Set([...Object.values(TABLES_OF).flat(), 'run_names']);
