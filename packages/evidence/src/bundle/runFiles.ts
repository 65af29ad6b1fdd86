import { counted, sealedFigures, sealedRun } from '../run/sealedRun.js';
import { milliseconds, money, timeOf } from '../run/quantity.js';
import { csvRow } from './csv.js';
import { happenings, inTime, type Happening, microsecondsOf } from './happenings.js';
import { type RunRow, runRows } from './runRows.js';
import type { RunRecords } from './runRecords.js';
import { eventOf, leafOf, recordOf, stepAt } from './saidOf.js';

/** A file of a bundle that its leaves alone decide: whoever has them makes the same bytes. In pieces, each ends with a line. */
export interface DerivedFile {
  readonly name: string;
  pieces(): AsyncIterable<string>;
}

/** Names of the files that are made of a run's leaves. */
export const RUN_FILES = ['envelope.json', 'events.csv', 'governance.json', 'replay.json', 'trace.json'] as const;

/**
 * What is made of a run's leaves: the projections of CONTRACT.md §3, endpoints 2 to 5, whole, and a table of what happened.
 * @param directory of the bundle that they lie in
 */
export function runFiles(run: RunRecords, directory = 'data'): readonly DerivedFile[] {
  const pieces: Readonly<Record<(typeof RUN_FILES)[number], DerivedFile['pieces']>> = {
    'envelope.json': () => whole(runEnvelope(run)),
    'events.csv': () => events(run),
    'governance.json': () => whole(runGovernance(run)),
    'replay.json': () => replay(run),
    'trace.json': () => trace(run),
  };
  return RUN_FILES.map((name) => ({ name: `${directory}/${name}`, pieces: pieces[name] }));
}

async function* whole(value: unknown): AsyncGenerator<string> {
  yield `${JSON.stringify(value, null, 2)}\n`;
}

/** The record of the run, as its newest RUN leaf says it: `envelope.json`. */
export function runEnvelope({ newest, revisions }: RunRecords) {
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

/** The rules that touched the run, in the order of time: `governance.json`. */
export function runGovernance(run: RunRecords) {
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
] as const satisfies readonly (keyof RunRow)[];

/** A row each of what happened, in the order of time. */
async function* events(run: RunRecords): AsyncGenerator<string> {
  yield csvRow(COLUMNS);
  for await (const row of runRows(run)) yield csvRow(COLUMNS.map((column) => row[column]));
}

async function shownAt(run: RunRecords, one: Happening) {
  if (one.source === 'llm') {
    const { started_at: timestamp, ...step } = await stepAt(run, one.at);
    return { source: one.source, timestamp, ...step };
  }
  if (one.source === 'policy') return { source: one.source, ...eventOf(run, one.record) };
  return { source: one.source, ...recordOf(run, one.record) };
}
