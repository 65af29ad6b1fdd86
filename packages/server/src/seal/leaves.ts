import { type JsonValue, hex } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import type { RunSummary } from './fold.js';
import type { SealedStep } from './step.js';

/** The leaf of a run's first sight: its place in every list, for ever. */
export function openedLeaf(origin: string, runId: string, first: SealedStep, synthetic: boolean): LeafDraft {
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
      trace_id: runId,
      first: hex(first.leafHash),
      is_synthetic: synthetic,
      source: sourceOf(synthetic, first.sdk),
      ...present({ service: first.service, environment: first.environment, release: first.release }),
    },
    projection: {
      table: 'llm_run_records',
      kind: 'OPENED',
      runId,
      revision: 0,
      runIndex: null,
      runOccurredAt: first.occurredAt,
      traceId: traceBytes(runId),
      ...EMPTY_COLUMNS,
      service: first.service,
      environment: first.environment,
      release: first.release,
      executionStatus: 'RUNNING',
      hadErrors: false,
      isSynthetic: synthetic,
      source: sourceOf(synthetic, first.sdk),
      startedAt: first.occurredAt,
    },
  });
}

/** The leaf that says which trace belongs to a run. */
export function memberLeaf(origin: string, runId: string, first: SealedStep): LeafDraft {
  return ownLeaf({
    topic: 'llm-runs',
    origin,
    kind: 'MEMBER',
    identity: [runId, runId],
    occurredAt: first.occurredAt,
    runId,
    fields: { run_id: runId, trace_id: runId, whole: true },
    projection: { table: 'run_members', runId, traceId: traceBytes(runId), whole: true, roots: null },
  });
}

/** What a RUN leaf is made of. */
export interface SealedRun {
  readonly origin: string;
  readonly runId: string;
  readonly revision: number;
  readonly runIndex: number;
  readonly runOccurredAt: string;
  readonly sizes: { readonly 'llm-runs': number; readonly system: number; readonly audit: number };
  readonly synthetic: boolean;
  readonly summary: RunSummary;
}

/** The leaf that seals a run: its count, tree hash, totals, status and turning point, at the sizes it names. */
export function runLeaf(run: SealedRun): LeafDraft {
  const s = run.summary;
  const source = sourceOf(run.synthetic, s.sdk);
  return ownLeaf({
    topic: 'llm-runs',
    origin: run.origin,
    kind: 'RUN',
    identity: [run.runId, String(run.revision)],
    occurredAt: s.completedAt,
    runId: run.runId,
    fields: {
      run_id: run.runId,
      trace_id: run.runId,
      revision: run.revision,
      run_index: run.runIndex,
      run_occurred_at: run.runOccurredAt,
      sizes: run.sizes,
      steps: s.steps,
      conflicts: s.conflicts,
      tree: hex(s.tree),
      range: { size: s.range.size, hashes: s.range.hashes.map(hex) },
      execution_status: s.executionStatus,
      outcome: s.outcome,
      termination_reason: s.terminationReason,
      root_missing: s.rootMissing,
      had_errors: s.hadErrors,
      is_synthetic: run.synthetic,
      source,
      executor_type: s.executorType,
      started_at: s.startedAt,
      completed_at: s.completedAt,
      duration_us: s.durationUs,
      cost_source: s.costSource,
      inflection: present(s.inflection),
      merged_steps: s.mergedSteps,
      ...present({
        service: s.service,
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
        cost_nano_usd: s.costNanoUsd,
        finish_reasons: s.finishReasons.length === 0 ? null : s.finishReasons,
        tools: s.tools.length === 0 ? null : s.tools,
        names_left_out: s.namesLeftOut === 0 ? null : s.namesLeftOut,
        policy_ids: s.policyIds.length === 0 ? null : s.policyIds,
        incident_ids: s.incidentIds.length === 0 ? null : s.incidentIds,
        resource: s.resource,
        root_step: s.rootStep,
        steps_not_read: s.stepsNotRead === 0 ? null : s.stepsNotRead,
      }),
    },
    projection: {
      table: 'llm_run_records',
      kind: 'RUN',
      runId: run.runId,
      revision: run.revision,
      runIndex: run.runIndex,
      runOccurredAt: run.runOccurredAt,
      traceId: traceBytes(run.runId),
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
      waitingFor: null,
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
      completedAt: s.completedAt,
    },
  });
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

function sourceOf(synthetic: boolean, sdk: boolean): 'SYNTHETIC' | 'SDK' | 'API' {
  return synthetic ? 'SYNTHETIC' : sdk ? 'SDK' : 'API';
}

/** Members that are known; a leaf leaves out what is not. */
function present(members: Readonly<Record<string, JsonValue | null>>): Record<string, JsonValue> {
  return Object.fromEntries(Object.entries(members).filter((e): e is [string, JsonValue] => e[1] !== null));
}

function traceBytes(runId: string): Uint8Array {
  return Uint8Array.from(Buffer.from(runId, 'hex'));
}
