import type { RunItem } from '@sworn/contract';

/** Figures of a run that is still open, from its steps so far. */
export interface LiveFigures {
  readonly steps: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costNanoUsd: number | null;
  readonly costSource: RunItem['cost_source'];
  readonly reportedNanoUsd: number | null;
  readonly pricedNanoUsd: number | null;
  readonly priceBook: string | null;
  readonly unpricedCalls: number;
  readonly mergedSteps: number;
  readonly cachedTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly lastActivityAt: string | null;
  /** What happened last of what is known. */
  readonly lastEvent: { readonly timestamp: string; readonly spanId: string } | null;
  readonly hadErrors: boolean;
  readonly provider: string | null;
  readonly model: string | null;
  readonly agentId: string | null;
  readonly executorType: 'AGENT' | 'LLM' | null;
}
