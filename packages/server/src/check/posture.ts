import { readFile } from 'node:fs/promises';
import { describeSchema } from '../store/catalogue.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';

const GOLDEN = new URL('../../sql/schema.sql', import.meta.url);
/** Differing lines that are told: who took everything down need not be read line by line. */
const LINES_TOLD = 20;

/**
 * Check V11: the catalogue is the one that the migrations make: triggers, owners, grants, policies, function sources. Advisory: a wall that is down
 * changes no record, and the other checks say whether one was changed.
 */
export async function checkPosture(checking: Checking, platformTenant: string, tell: Tell): Promise<void> {
  const golden = linesOf(await readFile(GOLDEN, 'utf8'));
  const found = linesOf(await checking.ask((tx) => describeSchema(tx.client, checking.db.rolePrefix)));
  const differing = [
    ...[...golden].filter((line) => !found.has(line)).map((line) => [line, 'no such line'] as const),
    ...[...found].filter((line) => !golden.has(line)).map((line) => ['no such line', line] as const),
  ];
  for (const [expected, there] of differing.slice(0, LINES_TOLD))
    tell({
      tenantId: platformTenant,
      log: 'control',
      code: 'POSTURE',
      index: null,
      table: 'catalogue',
      expected,
      found: there,
    });
}

/** Each line with the table or function that it is about, so that a line that moved differs too. */
function linesOf(text: string): ReadonlySet<string> {
  let about = '';
  const lines = new Set<string>();
  for (const line of text.split('\n')) {
    if (line !== '' && !line.startsWith(' ')) about = line.split(' ').slice(0, 2).join(' ');
    if (line.trim() !== '') lines.add(line.startsWith(' ') ? `${about}: ${line.trim()}` : line);
  }
  return lines;
}
