import { type Members, membersOf, placesOf } from '@sworn/evidence';
import { MAX_STEPS_PLACED, type Member, runsOf } from '../seal/membership.js';
import type { Tx } from '../store/database.js';
import { readSteps } from '../store/steps.js';
import { shareTexts, type StepFacts, stepFacts } from './stepFacts.js';

/** Steps of a trace that are read at once. */
const STEPS_AT_ONCE = 2_000;

/** Steps of one trace below a leaf index. */
export interface AskedPlaces {
  readonly tenantId: string;
  readonly log: string;
  readonly traceId: string;
  readonly stepsBelow: number;
}

/** The steps of one trace, in leaf order, and the run of each by the MEMBER leaves that are heeded. Leaves are taken as they are, unchecked. */
export async function placedSteps(
  ask: <T>(look: (tx: Tx) => Promise<T>) => Promise<T>,
  { tenantId, log, traceId, stepsBelow }: AskedPlaces,
  heeded: readonly Member[],
): Promise<{ readonly facts: readonly StepFacts[]; readonly runs: readonly string[] }> {
  const share = shareTexts();
  const facts: StepFacts[] = [];
  for (let from = 0; ; ) {
    const asked = { log, traceId, from, below: stepsBelow, limit: STEPS_AT_ONCE };
    const rows = await ask((tx) => readSteps(tx, tenantId, asked));
    for (const row of rows) if (row.kind === 'STEP') facts.push(stepFacts(row, said(row.leaf), share));
    const last = rows.at(-1);
    if (last === undefined || rows.length < STEPS_AT_ONCE) break;
    from = last.index + 1;
  }
  return { facts, runs: runsOf(traceId, heeded, facts) };
}

/** The run of each step (span id) of a trace, but for those that come too late to be placed, which are the owner's. */
export async function runsOfSpans(...asked: Parameters<typeof placedSteps>): Promise<ReadonlyMap<string, string>> {
  const { facts, runs } = await placedSteps(...asked);
  const placed = facts.slice(0, MAX_STEPS_PLACED);
  return new Map([...placesOf(placed).values()].map((at) => [(placed[at] as StepFacts).spanId, runs[at] as string]));
}

/** What a leaf says; of one that cannot be read, which V4 tells of, nothing. */
function said(leaf: Uint8Array): Members {
  try {
    return membersOf(JSON.parse(Buffer.from(leaf).toString('utf8')));
  } catch {
    return membersOf({});
  }
}
