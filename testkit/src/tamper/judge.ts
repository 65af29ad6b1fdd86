import type { Beside, Mark, Struck } from './attack.js';
import type { Report, Told } from './fsck.js';
import type { Stage } from './stage.js';

/** Sentences that a report shows at most of one kind of mistake. */
const SHOWN = 5;

/**
 * Holds what the checks said against what they had to say: every expected finding is there, at its log and index; nothing else is, but what follows
 * from the damage; the neighbours are clean.
 * @returns what is wrong, one sentence each; empty: nothing.
 */
export function misjudged(stage: Stage, struck: Struck, report: Report): readonly string[] {
  const wrong: string[] = [];
  const missed = struck.found.filter((expected) => !report.findings.some((told) => isThis(expected, told)));
  const unexpected = report.findings.filter(
    (told) =>
      !struck.found.some((expected) => isThis(expected, told)) &&
      !(struck.beside ?? []).some((follows) => fits(follows, told)) &&
      !(struck.everywhere === true && struck.found.some((expected) => expected.code === told.code)),
  );
  for (const mark of missed.slice(0, SHOWN)) wrong.push(`not found: ${inWords(mark)}`);
  for (const told of unexpected.slice(0, SHOWN))
    wrong.push(
      `found, and nobody did it: ${inWords(told)} (${told.table}: expected ${told.expected}, found ${told.found})`,
    );
  if (struck.everywhere !== true) {
    const expectedAt = new Set(struck.found.map(({ tenantId }) => tenantId));
    const clean = [...stage.neighbours.map(({ id }) => id), stage.platformTenant].filter((id) => !expectedAt.has(id));
    if (report.findings.some(({ tenantId }) => clean.includes(tenantId))) wrong.push('a neighbour is not clean');
  }
  if (struck.advisory === true && report.advisories.length === 0) wrong.push('the posture was not told');
  return wrong;
}

function isThis(expected: Mark, told: Told): boolean {
  return (
    expected.tenantId === told.tenantId &&
    expected.log === told.log &&
    expected.index === told.index &&
    expected.check === told.check &&
    expected.code === told.code
  );
}

function fits({ tenantId, log, index, check, code }: Beside, told: Told): boolean {
  return (
    (tenantId === undefined || tenantId === told.tenantId) &&
    (log === undefined || log === told.log) &&
    (index === undefined || index === told.index) &&
    (check === undefined || check === '' || check === told.check) &&
    (code === undefined || code === '' || code === told.code)
  );
}

/** `V4 LEAF_HASH_MISMATCH llm-runs 7` */
export function inWords({ check, code, log, index }: Pick<Mark, 'check' | 'code' | 'log' | 'index'>): string {
  return `${check} ${code} ${log}${index === null ? '' : ` ${index}`}`;
}
