import { hex } from '../bytes.js';
import { recordIdAt } from '../recordId.js';
import { stepKey } from '../run/forest.js';
import type { Members } from '../run/members.js';
import { milliseconds, money, timeOf } from '../run/quantity.js';
import { saidEvent } from '../run/saidEvent.js';
import { saidStep } from '../run/saidStep.js';
import { counted, sealedFigures, sealedRun } from '../run/sealedRun.js';
import { csvRow } from './csv.js';
import { type ReadRecord, type RunRecords, readLeaf } from './runRecords.js';

/** A file of a bundle that its leaves alone decide: whoever has them makes the same bytes. In pieces, each ends with a line. */
export interface DerivedFile {
  readonly name: string;
  pieces(): AsyncIterable<string>;
}

/** What is made of a run's leaves: the projections of CONTRACT.md §3, endpoints 2 to 5, whole, and a table of what happened. */
export function runFiles(run: RunRecords): readonly DerivedFile[] {
  return [
    { name: 'data/envelope.json', pieces: () => whole(envelope(run)) },
    { name: 'data/events.csv', pieces: () => events(run) },
    { name: 'data/governance.json', pieces: () => whole(governance(run)) },
    { name: 'data/replay.json', pieces: () => replay(run) },
    { name: 'data/trace.json', pieces: () => trace(run) },
  ];
}

async function* whole(value: unknown): AsyncGenerator<string> {
  yield `${JSON.stringify(value, null, 2)}\n`;
}

/** The record of the run, as its newest RUN leaf says it. */
function envelope({ newest, revisions }: RunRecords) {
  const m = newest.members;
  const resource = m.text('resource');
  return {
    ...sealedRun(m),
    ...sealedFigures(m),
    termination_reason: m.text('termination_reason'),
    finish_reasons: m.texts('finish_reasons'),
    root_missing: m.flag('root_missing'),
    mapping_version: m.count('map'),
    environment_fingerprint: resource === null ? null : `sha256:${resource}`,
    tools: m.texts('tools'),
    policy_ids: m.texts('policy_ids'),
    incident_ids: m.texts('incident_ids'),
    correlation_id: m.text('correlation_id'),
    human_actor_id: m.text('human_actor_id'),
    agent_id: m.text('agent_id'),
    anomalies: {
      conflicts: m.count('conflicts'),
      foreign_steps: counted(m, 'foreign_steps'),
      skewed_steps: counted(m, 'skewed_steps'),
      cut_links: counted(m, 'cut_links'),
      hints_left_out: counted(m, 'hints_left_out'),
      steps_not_read: m.count('steps_not_read') ?? 0,
    },
    revision: m.count('revision') ?? 0,
    revisions: revisions.map((record) => ({ revision: record.members.count('revision') ?? 0, ...leafOf(record) })),
    ...leafOf(newest),
  };
}

/** Every step, parents first. */
async function* trace(run: RunRecords): AsyncGenerator<string> {
  const m = run.newest.members;
  const head = { run_id: m.text('run_id'), trace_id: m.text('trace_id') };
  yield `${JSON.stringify(head).slice(0, -1)},"steps":[\n`;
  for (const at of run.order.keys()) {
    yield `${JSON.stringify(await stepAt(run, at))}${at === run.order.length - 1 ? '' : ','}\n`;
  }
  const [input, output] = [m.count('input_tokens'), m.count('output_tokens')];
  const totals = {
    total_steps: m.count('steps'),
    total_duration_ms: milliseconds(m.count('duration_us')),
    total_tokens: input === null && output === null ? null : (input ?? 0) + (output ?? 0),
    total_cost_usd: money(m.count('cost_nano_usd')),
  };
  yield `],${JSON.stringify(totals).slice(1)}\n`;
}

/** The rules that touched the run, in the order of time. */
function governance(run: RunRecords) {
  return {
    run_id: run.newest.members.text('run_id'),
    events: inTime(run.events).map((record) => eventOf(run, record)),
  };
}

/** Half of the time around the turning point that `replay.json` shows. */
const HALF_WINDOW_US = 30_000_000n;

/** What happened around the turning point: steps under way, records around the run, events, in one order. */
async function* replay(run: RunRecords): AsyncGenerator<string> {
  const turn = run.newest.members.object('inflection');
  const timestamp = turn.text('timestamp') ?? run.newest.members.text('occurred_at') ?? '';
  const middle = microsecondsOf(timestamp);
  const [start, end] = [middle - HALF_WINDOW_US, middle + HALF_WINDOW_US];
  const head = {
    run_id: run.newest.members.text('run_id'),
    inflection_timestamp: timestamp,
    inflection_reason: turn.text('reason'),
    window_start: timeOf(start * 1000n),
    window_end: timeOf(end * 1000n),
  };
  yield `${JSON.stringify(head).slice(0, -1)},"events":[\n`;
  const happened = happenings(run).filter((one) => one.until > start && one.from < end);
  for (const [i, one] of happened.entries()) {
    const shown = await shownAt(run, one);
    const offset = Number(one.from - middle) / 1000;
    const { source, timestamp: at, ...rest } = shown;
    yield `${JSON.stringify({ source, timestamp: at, offset_ms: offset, ...rest })}${i === happened.length - 1 ? '' : ','}\n`;
  }
  yield ']}\n';
}

const COLUMNS = [
  'time',
  'source',
  'step',
  'what',
  'name',
  'outcome',
  'policy',
  'actor',
  'model',
  'input_tokens',
  'output_tokens',
  'cost_usd',
  'duration_ms',
  'log',
  'leaf_index',
  'checksum',
] as const;

/** A row each of what happened, in the order of time. */
async function* events(run: RunRecords): AsyncGenerator<string> {
  yield csvRow(COLUMNS);
  for (const one of happenings(run)) {
    const row: Partial<Record<(typeof COLUMNS)[number], string | number | null>> = await rowOf(run, one);
    yield csvRow(COLUMNS.map((column) => row[column] ?? null));
  }
}

/** Something that happened in a run or around it: one of its steps, or a record. Microseconds since 1970; a moment lasts one. */
type Happening = { readonly from: bigint; readonly until: bigint } & (
  | { readonly source: 'llm'; readonly at: number }
  | { readonly source: 'system' | 'policy'; readonly record: ReadRecord }
);

const RANKS = { llm: 0, system: 1, policy: 2 } as const;

/** By time, then source, log and index; of a step the index is its place in the run. One without times is nowhere. */
function happenings(run: RunRecords): Happening[] {
  const all: Happening[] = [];
  for (const [at, place] of run.order.entries()) {
    const { startedNs, endedNs } = run.steps[place] as RunRecords['steps'][number];
    const from = (startedNs > 0n ? startedNs : endedNs) / 1000n;
    const last = (endedNs > startedNs ? endedNs : startedNs) / 1000n;
    if (from > 0n) all.push({ source: 'llm', at, from, until: last > from ? last : from + 1n });
  }
  const add = (source: 'system' | 'policy', record: ReadRecord) => {
    const from = microsecondsOf(record.members.text('occurred_at') ?? '');
    all.push({ source, record, from, until: from + 1n });
  };
  for (const record of run.around) add('system', record);
  for (const record of run.events) add('policy', record);
  return all.sort((a, b) => {
    if (a.from !== b.from) return a.from < b.from ? -1 : 1;
    if (a.source !== b.source) return RANKS[a.source] - RANKS[b.source];
    if (a.source === 'llm' || b.source === 'llm') return 'at' in a && 'at' in b ? a.at - b.at : 0;
    return byPlace(a.record, b.record);
  });
}

async function shownAt(run: RunRecords, one: Happening) {
  if (one.source === 'llm') {
    const { started_at: timestamp, ...step } = await stepAt(run, one.at);
    return { source: one.source, timestamp, ...step };
  }
  if (one.source === 'policy') return { source: one.source, ...eventOf(run, one.record) };
  return { source: one.source, ...recordOf(run, one.record) };
}

async function rowOf(run: RunRecords, one: Happening) {
  if (one.source === 'llm') {
    const step = await stepAt(run, one.at);
    return {
      time: step.started_at,
      source: 'step',
      step: step.step_index,
      what: step.kind,
      name: step.tool ?? step.provider,
      outcome: step.outcome_category,
      model: step.model,
      input_tokens: step.input_tokens,
      output_tokens: step.output_tokens,
      cost_usd: step.cost_usd,
      duration_ms: step.duration_ms,
      log: run.file.log,
      leaf_index: step.leaf_index,
      checksum: step.checksum,
    };
  }
  if (one.source === 'policy') {
    const event = eventOf(run, one.record);
    return {
      time: event.timestamp,
      source: 'governance',
      step: event.step_index,
      what: event.category ?? event.event_type,
      name: event.tool ?? event.event_name,
      outcome: event.decision,
      policy: event.policy_id ?? event.rule_id,
      actor: event.actor_id ?? event.enforced_by,
      log: event.log,
      leaf_index: event.leaf_index,
      checksum: event.checksum,
    };
  }
  const record = recordOf(run, one.record);
  return {
    time: record.timestamp,
    source: 'system',
    what: record.event_type,
    name: record.event_name,
    outcome: record.severity,
    actor: record.component ?? record.service,
    log: record.log,
    leaf_index: record.leaf_index,
    checksum: record.checksum,
  };
}

/** The step at a place in tree order. */
async function stepAt(run: RunRecords, at: number) {
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
    conflict: run.conflicts.has(stepKey({ traceId: said.trace_id, spanId: said.span_id })),
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

function eventOf(run: RunRecords, record: ReadRecord) {
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

function recordOf(run: RunRecords, record: ReadRecord) {
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
      Array.from(run.order, (place, at) => [stepKey(run.steps[place] as RunRecords['steps'][number]), at]),
    );
    PLACES.set(run, places);
  }
  const [traceId, spanId] = [m.text('trace_id'), m.text('span_id')];
  return traceId === null || spanId === null ? null : (places.get(stepKey({ traceId, spanId })) ?? null);
}

function inTime(records: readonly ReadRecord[]): readonly ReadRecord[] {
  return records.toSorted((a, b) => {
    const [x, y] = [a.members.text('occurred_at') ?? '', b.members.text('occurred_at') ?? ''];
    return x === y ? byPlace(a, b) : x < y ? -1 : 1;
  });
}

function byPlace(a: ReadRecord, b: ReadRecord): number {
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

function leafOf({ log, index, leafHash, members }: ReadRecord) {
  return {
    id: recordIdAt(log, index),
    leaf_index: index,
    checksum: `sha256:${hex(leafHash)}`,
    recorded_at: members.text('recorded_at'),
  };
}

/** Microseconds since 1970 of a time with six digits. */
function microsecondsOf(time: string): bigint {
  return BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1000n + BigInt(time.slice(20, 26));
}
