import { type Happening, happenings } from './happenings.js';
import type { RunRecords } from './runRecords.js';
import { eventOf, recordOf, stepAt } from './saidOf.js';

/** One line of what happened in a run: a step, an event of governance, or a record around it. */
export interface RunRow {
  readonly source: 'step' | 'governance' | 'system';
  /** RFC 3339 UTC with microseconds, as the producer says it. */
  readonly time: string;
  /** Place in tree order: of the step, or of the one that the record names. */
  readonly step: number | null;
  /** Kind of the step, category of the event, type of the record. */
  readonly what: string | null;
  readonly name: string | null;
  /** Outcome of the step, decision of the event, severity of the record. */
  readonly outcome: string | null;
  readonly policy: string | null;
  readonly actor: string | null;
  readonly model: string | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  /** Exact decimal. */
  readonly cost_usd: string | null;
  readonly duration_ms: number | null;
  readonly log: string;
  readonly leaf_index: number;
  /** `sha256:` and the leaf hash. */
  readonly checksum: string;
  readonly recorded_at: string | null;
}

/**
 * A row each of what happened, in the order of time, from the `first` to before the `below`. A step that says no time is in none: of it only
 * `trace.json` tells.
 */
export async function* runRows(run: RunRecords, first = 0, below = Number.POSITIVE_INFINITY): AsyncGenerator<RunRow> {
  for (const one of happenings(run).slice(first, below)) yield { ...NOTHING, ...(await rowOf(run, one)) };
}

/** How many rows there are. */
export function countRunRows(run: RunRecords): number {
  return happenings(run).length;
}

const NOTHING = {
  step: null,
  policy: null,
  actor: null,
  model: null,
  input_tokens: null,
  output_tokens: null,
  cost_usd: null,
  duration_ms: null,
} as const;

async function rowOf(run: RunRecords, one: Happening) {
  if (one.source === 'llm') {
    const step = await stepAt(run, one.at);
    return {
      time: step.started_at,
      source: 'step' as const,
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
      recorded_at: step.recorded_at,
    };
  }
  if (one.source === 'policy') {
    const event = eventOf(run, one.record);
    return {
      time: event.timestamp,
      source: 'governance' as const,
      step: event.step_index,
      what: event.category ?? event.event_type,
      name: event.tool ?? event.event_name,
      outcome: event.decision,
      policy: event.policy_id ?? event.rule_id,
      actor: event.actor_id ?? event.enforced_by,
      log: event.log,
      leaf_index: event.leaf_index,
      checksum: event.checksum,
      recorded_at: event.recorded_at,
    };
  }
  const record = recordOf(run, one.record);
  return {
    time: record.timestamp,
    source: 'system' as const,
    what: record.event_type,
    name: record.event_name,
    outcome: record.severity,
    actor: record.component ?? record.service,
    log: record.log,
    leaf_index: record.leaf_index,
    checksum: record.checksum,
    recorded_at: record.recorded_at,
  };
}
