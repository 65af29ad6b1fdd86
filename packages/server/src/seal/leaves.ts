import { EMPTY_ROOT, hex, type JsonValue, unhex } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import type { RunSummary } from './fold.js';
import type { SealedStep } from './step.js';

/** The leaf of a run's first sight: its place in every list, for ever. `first`: the step that named it, else the first of its trace. */
export function openedLeaf(
  origin: string,
  run: { readonly runId: string; readonly traceId: string; readonly first: SealedStep; readonly synthetic: boolean },
): LeafDraft {
  const { runId, traceId, first, synthetic } = run;
  const source = sourceOf(synthetic, first);
  // Found by it from the first step on. A foreign step changes nothing.
  const conversationId = first.foreign ? null : first.conversationId;
  return ownLeaf({
    topic: 'llm-runs',
    origin,
    kind: 'OPENED',
    identity: [runId],
    occurredAt: first.occurredAt,
    traceId: null,
    runId,
    fields: {
      run_id: runId,
      trace_id: traceId,
      first: hex(first.leafHash),
      is_synthetic: synthetic,
      source,
      ...present({
        service: first.service,
        environment: first.environment,
        release: first.release,
        conversation_id: conversationId,
      }),
    },
    projection: {
      ...EMPTY_COLUMNS,
      table: 'llm_run_records',
      kind: 'OPENED',
      runId,
      revision: 0,
      runIndex: null,
      runOccurredAt: first.occurredAt,
      traceId: unhex(traceId),
      conversationId,
      service: first.service,
      environment: first.environment,
      release: first.release,
      executionStatus: 'RUNNING',
      hadErrors: false,
      isSynthetic: synthetic,
      source,
      startedAt: first.occurredAt,
    },
  });
}

/** The leaf that says which trace belongs to a run: all of it, or the subtrees below at most 64 `roots` (span ids, hex). */
export function memberLeaf(
  origin: string,
  member: {
    readonly runId: string;
    readonly traceId: string;
    readonly occurredAt: string;
    readonly roots: readonly string[] | null;
  },
): LeafDraft {
  const { runId, traceId, roots } = member;
  return ownLeaf({
    topic: 'llm-runs',
    origin,
    kind: 'MEMBER',
    identity: [runId, traceId, ...(roots ?? [])],
    occurredAt: member.occurredAt,
    runId,
    fields: { run_id: runId, trace_id: traceId, whole: roots === null, ...(roots !== null && { roots }) },
    projection: {
      table: 'run_members',
      runId,
      traceId: unhex(traceId),
      whole: roots === null,
      roots: roots === null ? null : roots.map((root) => unhex(root)),
    },
  });
}

/** What every RUN leaf says of its place. */
export interface RunPlace {
  readonly origin: string;
  readonly runId: string;
  /** Of its OPENED leaf, lower-case hex. */
  readonly traceId: string;
  readonly revision: number;
  readonly runIndex: number;
  readonly runOccurredAt: string;
  /** `llm-runs` and `system`, and each log of topic `audit` by its name. */
  readonly sizes: Readonly<Record<string, number>>;
  /** The MEMBER leaves below this index are those that say which steps are its own. */
  readonly membersBelow: number;
  readonly synthetic: boolean;
}

/** What a RUN leaf is made of. */
export interface SealedRun extends RunPlace {
  readonly summary: RunSummary;
}

/** The leaf that seals a run: its count, tree hash, totals, status and turning point, at the sizes it names. */
export function runLeaf(run: SealedRun): LeafDraft {
  const s = run.summary;
  const source = sourceOf(run.synthetic, s);
  // A run that waits is not over: what is known is when something last happened, and that is when the leaf occurred.
  const completedAt = s.waitingFor === null ? s.completedAt : null;
  return ownLeaf({
    topic: 'llm-runs',
    origin: run.origin,
    kind: 'RUN',
    identity: [run.runId, String(run.revision)],
    occurredAt: s.completedAt,
    runId: run.runId,
    fields: {
      ...placeFields(run),
      steps: s.steps,
      traces: s.traces,
      conflicts: s.conflicts,
      tree: hex(s.tree),
      range: { size: s.range.size, hashes: s.range.hashes.map(hex) },
      events: s.events,
      events_tree: hex(s.eventsTree),
      execution_status: s.executionStatus,
      root_missing: s.rootMissing,
      had_errors: s.hadErrors,
      is_synthetic: run.synthetic,
      source,
      executor_type: s.executorType,
      started_at: s.startedAt,
      duration_us: s.durationUs,
      cost_source: s.costSource,
      inflection: present(s.inflection),
      merged_steps: s.mergedSteps,
      ...present({
        outcome: s.outcome,
        termination_reason: s.terminationReason,
        waiting_for: s.waitingFor,
        resumed_by: s.resumedBy,
        completed_at: completedAt,
        service: s.service,
        instance: s.instance,
        origin: s.origin,
        environment: s.environment,
        release: s.release,
        provider: s.provider,
        model: s.model,
        agent_id: s.agentId,
        human_actor_id: s.humanActorId,
        conversation_id: s.conversationId,
        correlation_id: s.correlationId,
        error_type: s.errorType,
        input_tokens: s.inputTokens,
        output_tokens: s.outputTokens,
        cached_tokens: s.cachedTokens,
        cache_write_tokens: s.cacheWriteTokens,
        reasoning_tokens: s.reasoningTokens,
        map: s.map,
        cost_nano_usd: s.costNanoUsd,
        reported_nano_usd: s.reportedNanoUsd,
        priced_nano_usd: s.pricedNanoUsd,
        price_book: s.priceBook,
        unpriced_calls: orAbsent(s.unpricedCalls),
        finish_reasons: s.finishReasons.length === 0 ? null : s.finishReasons,
        tools: s.tools.length === 0 ? null : s.tools,
        names_left_out: orAbsent(s.namesLeftOut),
        policy_ids: s.policyIds.length === 0 ? null : s.policyIds,
        incident_ids: s.incidentIds.length === 0 ? null : s.incidentIds,
        resource: s.resource,
        root_step: s.rootStep,
        steps_not_read: orAbsent(s.stepsNotRead),
        foreign_steps: orAbsent(s.foreignSteps),
        skewed_steps: orAbsent(s.skewedSteps),
        cut_links: orAbsent(s.cutLinks),
        hints_left_out: orAbsent(s.hintsLeftOut),
        decisions: s.decisions.length === 0 ? null : s.decisions,
      }),
    },
    projection: {
      table: 'llm_run_records',
      kind: 'RUN',
      runId: run.runId,
      revision: run.revision,
      runIndex: run.runIndex,
      runOccurredAt: run.runOccurredAt,
      traceId: unhex(run.traceId),
      conversationId: s.conversationId,
      correlationId: s.correlationId,
      agentId: s.agentId,
      humanActorId: s.humanActorId,
      executorType: s.executorType,
      provider: s.provider,
      model: s.model,
      tools: s.tools,
      service: s.service,
      environment: s.environment,
      release: s.release,
      executionStatus: s.executionStatus,
      waitingFor: s.waitingFor,
      supersededBy: null,
      outcome: s.outcome,
      errorType: s.errorType,
      policyIds: s.policyIds,
      incidentIds: s.incidentIds,
      hadErrors: s.hadErrors,
      isSynthetic: run.synthetic,
      source,
      costNanoUsd: s.costNanoUsd,
      durationUs: s.durationUs,
      startedAt: s.startedAt,
      completedAt,
    },
  });
}

/** The leaf that closes a run without steps: its traces turned out to belong to `by`. */
export function supersededLeaf(run: RunPlace, by: string): LeafDraft {
  const source = sourceOf(run.synthetic, { sdk: false, worker: false });
  return ownLeaf({
    topic: 'llm-runs',
    origin: run.origin,
    kind: 'RUN',
    identity: [run.runId, String(run.revision)],
    occurredAt: run.runOccurredAt,
    runId: run.runId,
    fields: {
      ...placeFields(run),
      superseded_by: by,
      steps: 0,
      traces: 0,
      conflicts: 0,
      tree: hex(EMPTY_ROOT),
      range: { size: 0, hashes: [] },
      execution_status: 'RUNNING',
      had_errors: false,
      is_synthetic: run.synthetic,
      source,
      started_at: run.runOccurredAt,
    },
    projection: {
      ...EMPTY_COLUMNS,
      table: 'llm_run_records',
      kind: 'RUN',
      runId: run.runId,
      revision: run.revision,
      runIndex: run.runIndex,
      runOccurredAt: run.runOccurredAt,
      traceId: unhex(run.traceId),
      service: null,
      environment: null,
      release: null,
      executionStatus: 'RUNNING',
      supersededBy: by,
      hadErrors: false,
      isSynthetic: run.synthetic,
      source,
      startedAt: run.runOccurredAt,
    },
  });
}

function placeFields(run: RunPlace): Record<string, JsonValue> {
  return {
    run_id: run.runId,
    trace_id: run.traceId,
    revision: run.revision,
    run_index: run.runIndex,
    run_occurred_at: run.runOccurredAt,
    sizes: run.sizes,
    members_below: run.membersBelow,
  };
}

const EMPTY_COLUMNS = {
  conversationId: null,
  correlationId: null,
  agentId: null,
  humanActorId: null,
  executorType: null,
  provider: null,
  model: null,
  tools: [],
  waitingFor: null,
  supersededBy: null,
  outcome: null,
  errorType: null,
  policyIds: [],
  incidentIds: [],
  costNanoUsd: null,
  durationUs: null,
  completedAt: null,
} as const;

function sourceOf(
  synthetic: boolean,
  { sdk, worker }: { readonly sdk: boolean; readonly worker: boolean },
): 'SYNTHETIC' | 'WORKER' | 'SDK' | 'API' {
  return synthetic ? 'SYNTHETIC' : worker ? 'WORKER' : sdk ? 'SDK' : 'API';
}

/** Members that are known; a leaf leaves out what is not. */
function present(members: Readonly<Record<string, JsonValue | null>>): Record<string, JsonValue> {
  return Object.fromEntries(Object.entries(members).filter((e): e is [string, JsonValue] => e[1] !== null));
}

/** Counts of what is seldom there are left out where they are nothing. */
function orAbsent(count: number): number | null {
  return count === 0 ? null : count;
}
