import { hex } from '../bytes.js';
import { copiedKey, stepKey } from '../run/forest.js';
import type { Members } from '../run/members.js';
import { saidEvent } from '../run/saidEvent.js';
import { saidStep } from '../run/saidStep.js';
import { recordIdAt } from '../recordId.js';
import { type ReadRecord, type RunRecords, readLeaf } from './runRecords.js';

/** The step at a place in tree order. */
export async function stepAt(run: RunRecords, at: number) {
  const place = run.order[at] as number;
  const { line, index } = run.steps[place] as RunRecords['steps'][number];
  const { leafHash, members } = readLeaf(await run.file.leafAt(line));
  const { redactions, ...said } = saidStep(members);
  return {
    step_index: at,
    ...said,
    depth: run.depth[at] as number,
    kind: run.kinds[place] ?? 'OTHER',
    late: index >= firstSealBelow(run),
    conflict: run.conflicts.has(copiedKey({ traceId: said.trace_id, spanId: said.span_id, foreign: said.foreign })),
    error_type: members.text('error_type'),
    redactions,
    ...leafOf({ log: run.file.log, index, leafHash, members }),
  };
}

/** Steps from this leaf on came after the run was first sealed. */
function firstSealBelow({ revisions }: RunRecords): number {
  const first = revisions.find(({ members }) => members.text('kind') === 'RUN');
  return first?.members.object('sizes').count('llm-runs') ?? Number.POSITIVE_INFINITY;
}

/** What a leaf of `audit` says of a rule, and of which step. */
export function eventOf(run: RunRecords, record: ReadRecord) {
  const m = record.members;
  const native = m.text('native_decision');
  return {
    ...saidEvent(m),
    native: native === null ? null : { field: m.text('native_field'), value: native },
    step_index: stepIndexOf(run, m),
    derived_from: m
      .objects('sources')
      .map((source) => recordIdAt(source.text('log') ?? 'audit', source.count('index') ?? 0)),
    log: record.log,
    ...leafOf(record),
  };
}

/** What a record around a run says. */
export function recordOf(run: RunRecords, record: ReadRecord) {
  const m = record.members;
  return {
    timestamp: m.text('occurred_at') ?? '',
    event_type: m.text('event_type') ?? m.text('kind'),
    event_name: m.text('event_name'),
    severity: m.text('severity'),
    component: m.text('component'),
    service: m.text('service'),
    trace_id: m.text('trace_id'),
    span_id: m.text('span_id'),
    correlation_id: m.text('correlation_id'),
    step_index: stepIndexOf(run, m),
    log: record.log,
    ...leafOf(record),
  };
}

const PLACES = new WeakMap<RunRecords, ReadonlyMap<string, number>>();

/** Place in tree order of the step that a record names. */
function stepIndexOf(run: RunRecords, m: Members): number | null {
  let places = PLACES.get(run);
  if (places === undefined) {
    places = new Map(
      Array.from(run.order, (place, at) => [run.steps[place] as RunRecords['steps'][number], at] as const)
        .filter(([step]) => step.isNamed)
        .map(([step, at]) => [stepKey(step), at]),
    );
    PLACES.set(run, places);
  }
  const [traceId, spanId] = [m.text('trace_id'), m.text('span_id')];
  return traceId === null || spanId === null ? null : (places.get(stepKey({ traceId, spanId })) ?? null);
}

/** Where a record stands, and its hash. */
export function leafOf({ log, index, leafHash, members }: ReadRecord) {
  return {
    id: recordIdAt(log, index),
    leaf_index: index,
    checksum: `sha256:${hex(leafHash)}`,
    recorded_at: members.text('recorded_at'),
  };
}
