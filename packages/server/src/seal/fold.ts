import { emptyFrontier, extendFrontier, type Frontier, frontierRoot } from '@sworn/evidence';
import { hasFailed, type RunEnd, rollUpTokens, runEnd, type TokenTotals } from '../otlp/map/run.js';
import type { SealedStep } from './step.js';

/** Names kept of what a run used: bounded by the leaf's lists. */
const MAX_NAMES = 64;

/** The turning point of a run (CONTRACT.md §3, endpoint 1). */
export type Inflection = {
  readonly timestamp: string;
  readonly reason: 'FAILED_STEP' | 'ABORT' | 'TIMEOUT' | 'END';
  readonly span_id: string | null;
};

/** What a RUN leaf says of its steps. */
export interface RunSummary extends TokenTotals, RunEnd {
  readonly steps: number;
  readonly conflicts: number;
  readonly tree: Uint8Array;
  readonly range: Frontier;
  readonly rootMissing: boolean;
  /** Span id of the root, or of the earliest step while the root is missing. */
  readonly rootStep: string | null;
  /** Leaf hash (hex) of the RESOURCE record of the root. */
  readonly resource: string | null;
  readonly executorType: 'AGENT' | 'LLM';
  readonly startedAt: string;
  readonly completedAt: string;
  readonly durationUs: number;
  readonly inflection: Inflection;
  readonly service: string | null;
  readonly environment: string | null;
  readonly release: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly agentId: string | null;
  readonly humanActorId: string | null;
  readonly conversationId: string | null;
  readonly correlationId: string | null;
  readonly finishReasons: readonly string[];
  readonly tools: readonly string[];
  /** Of the root when it failed, else of the first failed step. */
  readonly errorType: string | null;
  readonly sdk: boolean;
}

/** Folds the steps of one run, in admission order, into its summary. Memory grows with the number of steps, about 600 bytes each. */
export interface Fold {
  add(step: SealedStep): void;
  addConflict(): void;
  /** @throws Error when no step was added. */
  finish(): RunSummary;
}

/** A new fold. */
export function createFold(): Fold {
  const steps: SealedStep[] = [];
  let range = emptyFrontier;
  let pending: Uint8Array[] = [];
  let conflicts = 0;
  const flush = () => {
    range = extendFrontier(range, pending);
    pending = [];
  };
  return {
    add(step) {
      steps.push(step);
      pending.push(step.leafHash);
      if (pending.length === 1024) flush();
    },
    addConflict() {
      conflicts++;
    },
    finish() {
      flush();
      return summarise(steps, conflicts, range);
    },
  };
}

function summarise(all: readonly SealedStep[], conflicts: number, range: Frontier): RunSummary {
  // A foreign key's spans are kept and counted, and change nothing; a run of nothing else is told by them all the same.
  const own = all.filter((step) => !step.foreign);
  const steps = own.length > 0 ? own : all;
  const [first] = steps;
  if (first === undefined) throw new Error('a run without steps');
  const arrived = new Set(steps.map((step) => step.spanId));
  const byStart = steps.toSorted((a, b) =>
    a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : a.index - b.index,
  );
  const root = byStart.find((step) => step.isRoot) ?? null;
  const top = root ?? byStart.find((step) => step.parentSpanId === null || !arrived.has(step.parentSpanId)) ?? first;
  const started = steps.reduce((min, s) => (s.startedNs < min ? s.startedNs : min), first.startedNs);
  const ended = steps.reduce((max, s) => (s.endedNs > max ? s.endedNs : max), first.endedNs);
  const end = runEnd(steps, top.spanId, root === null);
  const llm = byStart.filter((step) => step.kind === 'LLM' || step.kind === 'EMBEDDING');
  const completedAt = timeOf(ended < started ? started : ended);
  const pick = <T>(read: (step: SealedStep) => T | null): T | null => read(top) ?? firstOf(byStart, read);
  const failed = byStart.filter(hasFailed);
  return {
    ...rollUpTokens(steps),
    ...end,
    steps: all.length,
    conflicts,
    tree: frontierRoot(range),
    range,
    rootMissing: root === null,
    rootStep: top.spanId,
    resource: top.resource,
    executorType: steps.some((step) => step.kind === 'AGENT') ? 'AGENT' : 'LLM',
    startedAt: timeOf(started),
    completedAt,
    durationUs: ended < started ? 0 : Number((ended - started) / 1000n),
    errorType: (hasFailed(top) ? top.errorType : null) ?? firstOf(failed, (s) => s.errorType),
    inflection: inflectionOf(failed[0], end, completedAt),
    service: pick((s) => s.service),
    environment: pick((s) => s.environment),
    release: pick((s) => s.release),
    provider: firstOf(llm, (s) => s.provider),
    model: firstOf(llm, (s) => s.model),
    agentId: pick((s) => s.agentId),
    humanActorId: pick((s) => s.humanActorId),
    conversationId: pick((s) => s.conversationId),
    correlationId: pick((s) => s.correlationId),
    finishReasons: [...new Set(llm.flatMap((s) => s.finishReasons))].slice(0, MAX_NAMES),
    tools: [...new Set(byStart.flatMap((s) => (s.kind === 'TOOL' && s.tool !== null ? [s.tool] : [])))].slice(
      0,
      MAX_NAMES,
    ),
    sdk: steps.some((s) => s.sdk),
  };
}

/** The first failed step, else the abort or time-out, else the end. */
function inflectionOf(failed: SealedStep | undefined, end: RunEnd, completedAt: string): Inflection {
  if (failed !== undefined) return { timestamp: timeOf(failed.endedNs), reason: 'FAILED_STEP', span_id: failed.spanId };
  const reason = end.executionStatus === 'ABORTED' ? 'ABORT' : end.executionStatus === 'TIMEOUT' ? 'TIMEOUT' : 'END';
  return { timestamp: completedAt, reason, span_id: null };
}

function firstOf<T>(steps: readonly SealedStep[], read: (step: SealedStep) => T | null): T | null {
  for (const step of steps) {
    const value = read(step);
    if (value !== null) return value;
  }
  return null;
}

/** Nanoseconds since 1970 as RFC 3339 with six digits; what lies outside the years 1 to 9999 is held at their edge. */
export function timeOf(ns: bigint): string {
  const us = ns / 1000n;
  const ms = Number(us / 1000n);
  const held = Math.min(Math.max(ms, -62_135_596_800_000), 253_402_300_799_999);
  return `${new Date(held).toISOString().slice(0, -1)}${String(us % 1000n).padStart(3, '0')}Z`;
}
