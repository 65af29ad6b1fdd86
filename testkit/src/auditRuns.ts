import { decodeLeaf, hex, treeHash } from '@sworn/evidence';
import type { LeafRow } from './auditLog.js';
import { type AuditedMember, type AuditedStep, runsOfTrace } from './auditMembers.js';

/** What the leaves of `llm-runs` say, told apart. */
interface Told {
  readonly steps: Map<string, AuditedStep[]>;
  /** By trace. */
  readonly members: Map<string, AuditedMember[]>;
  /** Traces that a run has a part of, with the first MEMBER leaf that says so. */
  readonly traces: Map<string, Map<string, number>>;
  readonly opened: Map<string, { readonly index: number; readonly occurredAt: string }>;
  readonly runs: Map<string, SealedRun[]>;
}

/** A RUN leaf. */
interface SealedRun {
  readonly index: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly size: number;
  /** The MEMBER leaves below it are those it was made with. */
  readonly below: number;
}

type Say = (problem: string) => void;

/**
 * Holds every RUN leaf against the STEP leaves that the MEMBER leaves below it give to its run, and, when all is quiet, every step against the
 * one RUN leaf that counts it. Written from docs/spec/leaf.md alone: it shares no code with the sealer.
 */
export function auditRuns(leaves: readonly LeafRow[], say: Say, settled: boolean): void {
  const told = tell(leaves, say);
  for (const run of told.traces.keys()) if (!told.opened.has(run)) say(`run ${run} has a member and was never opened`);
  for (const [run, revisions] of told.runs)
    auditRevisions(told, run, revisions, (problem) => say(`run ${run}: ${problem}`));
  if (settled) auditSettled(told, say);
}

function tell(leaves: readonly LeafRow[], say: Say): Told {
  const told: Told = { steps: new Map(), members: new Map(), traces: new Map(), opened: new Map(), runs: new Map() };
  for (const leaf of leaves) {
    if (leaf.kind === 'STEP') {
      const step = stepOf(leaf);
      push(told.steps, step.trace, step);
      continue;
    }
    if (leaf.kind !== 'OPENED' && leaf.kind !== 'MEMBER' && leaf.kind !== 'RUN') continue;
    const { fields } = decodeLeaf(leaf.leaf);
    const run = String(fields['run_id']);
    if (leaf.kind === 'MEMBER') {
      const member = memberOf(leaf, fields, say);
      push(told.members, member.trace, member);
      const traces = told.traces.get(run) ?? new Map<string, number>();
      told.traces.set(run, traces);
      if (!traces.has(member.trace)) traces.set(member.trace, member.index);
    } else if (leaf.kind === 'RUN') push(told.runs, run, sealedOf(leaf, fields));
    else if (told.opened.has(run)) say(`run ${run} was opened twice`);
    else told.opened.set(run, { index: leaf.leaf_index, occurredAt: leaf.occurred_at });
  }
  return told;
}

function stepOf(leaf: LeafRow): AuditedStep {
  const { fields } = decodeLeaf(leaf.leaf);
  const parent = fields['parent_span_id'];
  return {
    index: leaf.leaf_index,
    hash: leaf.leaf_hash,
    trace: String(fields['trace_id']),
    span: String(fields['span_id']),
    parent: typeof parent === 'string' ? parent : null,
    foreign: fields['foreign'] === true,
  };
}

function memberOf(leaf: LeafRow, fields: Readonly<Record<string, unknown>>, say: Say): AuditedMember {
  const roots = (fields['roots'] ?? []) as readonly string[];
  const whole = fields['whole'] === true;
  if (whole !== (roots.length === 0)) say(`MEMBER leaf ${leaf.leaf_index} takes neither a trace nor subtrees`);
  return { index: leaf.leaf_index, run: String(fields['run_id']), trace: String(fields['trace_id']), whole, roots };
}

function sealedOf(leaf: LeafRow, fields: Readonly<Record<string, unknown>>): SealedRun {
  const { 'llm-runs': size } = fields['sizes'] as { 'llm-runs': number };
  const below = fields['members_below'];
  return { index: leaf.leaf_index, fields, size, below: typeof below === 'number' ? below : leaf.leaf_index };
}

function auditRevisions(told: Told, run: string, revisions: readonly SealedRun[], say: Say): void {
  const opened = told.opened.get(run);
  if (opened === undefined) say('was never opened');
  revisions.forEach(({ index, fields, size, below }, i) => {
    const steps = stepsOfRun(told, run, { size, below });
    if (fields['revision'] !== i + 1) say(`revision ${String(fields['revision'])} where ${i + 1} is due`);
    if (fields['run_index'] !== opened?.index) say('names another place than its OPENED leaf has');
    if (fields['run_occurred_at'] !== opened?.occurredAt) say('names another time than its OPENED leaf has');
    if (fields['steps'] !== steps.length)
      say(`counts ${String(fields['steps'])} of ${steps.length} steps below ${size}`);
    if (fields['tree'] !== hex(treeHash(steps.map((step) => step.hash)))) say('has another tree');
    if (size > index || below > index) say('counts what came after it');
    if ((steps.length === 0) !== (typeof fields['superseded_by'] === 'string'))
      say(`has ${steps.length} steps, and is superseded by ${String(fields['superseded_by'])}`);
  });
}

/** The steps of a run, all traces together, in leaf order. */
function stepsOfRun(told: Told, run: string, { size, below }: { size: number; below: number }): AuditedStep[] {
  const mine: AuditedStep[] = [];
  for (const [trace, first] of told.traces.get(run) ?? []) {
    if (first >= below) continue;
    const members = (told.members.get(trace) ?? []).filter((member) => member.index < below);
    const steps = (told.steps.get(trace) ?? []).filter((step) => step.index < size);
    const runs = runsOfTrace(trace, members, steps);
    for (const step of steps) if (runs.get(step) === run) mine.push(step);
  }
  return mine.sort((a, b) => a.index - b.index);
}

/** Every step counts in the newest revision of one run, and every run that was opened was sealed. */
function auditSettled(told: Told, say: Say): void {
  const all = { size: Number.MAX_SAFE_INTEGER, below: Number.MAX_SAFE_INTEGER };
  let counted = 0;
  for (const run of told.opened.keys()) {
    const newest = told.runs.get(run)?.at(-1);
    const steps = stepsOfRun(told, run, all).length;
    if (newest === undefined) say(`run ${run} was never sealed`);
    else if (newest.fields['steps'] !== steps)
      say(`run ${run} is sealed with ${String(newest.fields['steps'])} of ${steps} steps`);
    counted += steps;
  }
  const sent = [...told.steps.values()].reduce((sum, steps) => sum + steps.length, 0);
  if (counted !== sent) say(`${sent} steps are there, ${counted} of them in a run`);
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
