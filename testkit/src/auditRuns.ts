import { decodeLeaf, hex, treeHash } from '@sworn/evidence';
import type { LeafRow } from './auditLog.js';

/** What the leaves of one trace add up to. */
interface TraceLeaves {
  readonly steps: LeafRow[];
  readonly runs: LeafRow[];
  opened: number;
  members: number;
}

/** Holds every RUN leaf against the STEP leaves it counts, and, when all is quiet, every step against a RUN leaf that counts it. */
export function auditRuns(leaves: readonly LeafRow[], say: (problem: string) => void, settled: boolean): void {
  const traces = new Map<string, TraceLeaves>();
  for (const leaf of leaves) {
    const id = leaf.kind === 'STEP' ? hex(leaf.trace_id ?? new Uint8Array()) : decodeLeaf(leaf.leaf).fields['trace_id'];
    if (typeof id !== 'string') continue;
    const trace = traces.get(id) ?? { steps: [], runs: [], opened: 0, members: 0 };
    traces.set(id, trace);
    if (leaf.kind === 'STEP') trace.steps.push(leaf);
    else if (leaf.kind === 'RUN') trace.runs.push(leaf);
    else if (leaf.kind === 'OPENED') trace.opened++;
    else if (leaf.kind === 'MEMBER') trace.members++;
  }
  for (const [id, trace] of traces) auditTrace(trace, (problem) => say(`run ${id}: ${problem}`), settled);
}

function auditTrace(
  { steps, runs, opened, members }: TraceLeaves,
  say: (problem: string) => void,
  settled: boolean,
): void {
  let counted = 0;
  runs.forEach((run, i) => {
    const { fields } = decodeLeaf(run.leaf);
    const { 'llm-runs': size } = fields['sizes'] as { 'llm-runs': number };
    const of = steps.filter((step) => step.leaf_index < size);
    counted = of.length;
    if (fields['revision'] !== i + 1) say(`revision ${String(fields['revision'])} where ${i + 1} is due`);
    if (fields['steps'] !== of.length) say(`counts ${String(fields['steps'])} of ${of.length} steps below ${size}`);
    if (fields['tree'] !== hex(treeHash(of.map((step) => step.leaf_hash)))) say('has another tree');
    if (size > run.leaf_index) say('counts what came after it');
  });
  if (!settled || steps.length === 0) return;
  if (opened !== 1 || members !== 1) say(`opened ${opened} times, with ${members} members`);
  if (counted !== steps.length) say(`sealed with ${counted} of ${steps.length} steps`);
}
