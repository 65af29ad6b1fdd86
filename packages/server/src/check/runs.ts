import { hex, treeHash } from '@sworn/evidence';
import { type Member, ownerOf, runsOf } from '../seal/membership.js';
import { type StepFacts, shareTexts, stepFacts } from '../read/stepFacts.js';
import { membersOf } from '../read/members.js';
import { readStepHashes } from '../store/checking.js';
import type { LogPlace } from '../store/checking.js';
import { readMembersOfTraces, readTracesOfRuns } from '../store/members.js';
import { readSteps } from '../store/steps.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';

/** RUN leaves whose steps are read together. */
const RUNS_AT_ONCE = 500;
/** Steps of a carved trace that are read at once. */
const STEPS_AT_ONCE = 2_000;

/** Where a step stands, and its hash. */
interface Hashed {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

/**
 * Check V9: each RUN leaf of a chunk counts the steps that the MEMBER leaves below it gave its run, and their tree is the one it names. Steps are taken
 * by the columns beside their leaves, which V6 holds against the leaves themselves.
 */
export async function checkRuns(
  checking: Checking,
  place: LogPlace,
  leaves: readonly ReadLeaf[],
  tell: Tell,
): Promise<void> {
  const sealed = leaves.filter(({ row }) => row.kind === 'RUN');
  for (let at = 0; at < sealed.length; at += RUNS_AT_ONCE)
    await checkSome(checking, place, sealed.slice(at, at + RUNS_AT_ONCE), tell);
}

async function checkSome(checking: Checking, place: LogPlace, sealed: readonly ReadLeaf[], tell: Tell): Promise<void> {
  const below = Math.max(...sealed.map(({ row }) => row.index));
  const runIds = [...new Set(sealed.flatMap(({ said }) => said.text('run_id') ?? []))];
  const traces = groupBy(
    await checking.ask((tx) => readTracesOfRuns(tx, place.tenantId, place.log, { runIds, below })),
    ({ runId }) => runId,
  );
  const traceIds = [...new Set([...traces.values()].flatMap((of) => of.map(({ traceId }) => traceId)))];
  const members = groupBy(
    await checking.ask((tx) => readMembersOfTraces(tx, place.tenantId, place.log, { traceIds, below })),
    ({ traceId }) => traceId,
  );
  const isCarved = (traceId: string) => members.get(traceId)?.some(({ roots }) => roots.length > 0) === true;
  const whole = groupBy(
    await checking.ask((tx) => readStepHashes(tx, place, { traceIds: traceIds.filter((id) => !isCarved(id)), below })),
    ({ traceId }) => traceId,
  );
  for (const { row, said } of sealed) {
    const runId = said.text('run_id') ?? '';
    const stepsBelow = said.object('sizes').count('llm-runs') ?? 0;
    // A RUN leaf of before runs had several traces heeded what lay before it.
    const membersBelow = said.count('members_below') ?? row.index;
    const steps: Hashed[] = [];
    for (const { traceId } of traces.get(runId) ?? []) {
      const heeded = (members.get(traceId) ?? []).filter(({ index }) => index < membersBelow);
      if (!heeded.some((member) => member.runId === runId)) continue;
      if (isCarved(traceId))
        steps.push(...(await carvedSteps(checking, place, { runId, traceId, stepsBelow }, heeded)));
      else if (ownerOf(traceId, heeded) === runId)
        for (const step of whole.get(traceId) ?? []) if (step.index < stepsBelow) steps.push(step);
    }
    steps.sort((a, b) => a.index - b.index);
    const [count, tree] = [said.count('steps') ?? 0, said.text('tree')];
    const found = hex(treeHash(steps.map(({ leafHash }) => leafHash)));
    if (count === steps.length && tree === found) continue;
    const at = { ...place, code: 'RUN_TREE_MISMATCH', index: row.index, table: 'leaf' } as const;
    tell({ ...at, expected: `${count} steps of tree ${String(tree)}`, found: `${steps.length} of ${found}` });
  }
}

/** The steps of one trace that belong to the run, where other runs carved parts out of it. */
async function carvedSteps(
  checking: Checking,
  place: LogPlace,
  of: { readonly runId: string; readonly traceId: string; readonly stepsBelow: number },
  heeded: readonly Member[],
): Promise<Hashed[]> {
  const { runId, traceId, stepsBelow } = of;
  const share = shareTexts();
  const facts: StepFacts[] = [];
  for (let from = 0; ; ) {
    const asked = { log: place.log, traceId, from, below: stepsBelow, limit: STEPS_AT_ONCE };
    const rows = await checking.ask((tx) => readSteps(tx, place.tenantId, asked));
    for (const row of rows) if (row.kind === 'STEP') facts.push(stepFacts(row, said(row.leaf), share));
    const last = rows.at(-1);
    if (last === undefined || rows.length < STEPS_AT_ONCE) break;
    from = last.index + 1;
  }
  const runs = runsOf(traceId, heeded, facts);
  return facts.filter((_, at) => runs[at] === runId);
}

/** What a leaf says; of one that cannot be read, which V4 tells of, nothing. */
function said(leaf: Uint8Array) {
  try {
    return membersOf(JSON.parse(Buffer.from(leaf).toString('utf8')));
  } catch {
    return membersOf({});
  }
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
