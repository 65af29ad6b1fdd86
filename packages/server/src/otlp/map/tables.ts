import type { Source } from './source.js';

/** CONTRACT.md §3, endpoint 3. */
export const STEP_KINDS = [
  'LLM',
  'TOOL',
  'AGENT',
  'HANDOFF',
  'RETRIEVAL',
  'EMBEDDING',
  'GUARDRAIL',
  'EVALUATION',
  'CHAIN',
  'INFRA',
  'OTHER',
] as const;

export type StepKind = (typeof STEP_KINDS)[number];

/** What a span says of how it ended, or was taken up again, beyond its status code; kept in the STEP leaf, since the words it comes from are not. */
export const MARKS = [
  'failed',
  'interrupt',
  'tripwire',
  'denied',
  'cancelled',
  'timeout',
  'budget',
  'rate_limited',
  'approved',
  'edited',
  'rejected',
] as const;

export type Mark = (typeof MARKS)[number];

/** What stands in the leaf of everything that a mapping made. */
export interface MappingVersion {
  /** As the mapping says: 1 or more. */
  readonly map: number;
  /** 12 hex digits of the SHA-256 of the tables; only where they are not the ones that this version came with. */
  readonly map_edit?: string;
}

/** Values of attributes, in lower case, that mean something. */
export type Meanings<T> = readonly (readonly [source: Source, meanings: ReadonlyMap<string, T>])[];

/** Attributes that begin so mean a kind. */
export type KindPrefixes = readonly (readonly [kind: StepKind, prefixes: readonly string[]])[];

/**
 * The mapping of spans to steps as data: `config/mapping/*.yaml`, where each table is explained, compiled. First hit wins.
 * A table has the name that it has there.
 */
export interface Mapping {
  readonly version: MappingVersion;

  readonly kind_by_value: Meanings<StepKind>;
  readonly kind_by_prefix: KindPrefixes;
  readonly vector_systems: ReadonlySet<string>;
  readonly infra_attributes: readonly string[];
  readonly handoff_tools: readonly string[];
  readonly handoff_spans: readonly string[];
  readonly worker_attributes: readonly string[];
  readonly not_worker_values: Meanings<true>;

  readonly provider: readonly Source[];
  readonly provider_before_dot: Source;
  readonly provider_last: Source;
  /** Tests the beginning of a name. */
  readonly no_provider: RegExp;
  readonly requested_model: readonly Source[];
  readonly used_model: readonly Source[];
  readonly response_id: readonly Source[];
  readonly error_type: readonly Source[];
  readonly tool: readonly Source[];
  readonly named_by_kind: readonly Source[];
  readonly agent: readonly Source[];
  readonly parent_agent: readonly Source[];
  readonly human: readonly Source[];
  readonly conversation: readonly Source[];
  readonly run_hint: readonly Source[];
  readonly retry_count: readonly Source[];
  readonly attempt: readonly Source[];
  readonly service: readonly Source[];
  readonly instance: readonly Source[];
  readonly environment: readonly Source[];
  readonly release: readonly Source[];
  readonly span_environment: readonly Source[];
  readonly span_release: readonly Source[];

  readonly input_tokens: readonly Source[];
  readonly output_tokens: readonly Source[];
  readonly cache_read_tokens: readonly Source[];
  readonly cache_write_tokens: readonly Source[];
  readonly reasoning_tokens: readonly Source[];
  /** Indexes into `input_tokens`. */
  readonly disjoint_input: ReadonlySet<number>;
  /** Indexes into `reasoning_tokens`. */
  readonly disjoint_reasoning: ReadonlySet<number>;
  readonly usage_buckets: string;
  readonly reported_cost: readonly Source[];
  readonly cost_buckets: string;
  readonly price_providers: ReadonlyMap<string, string>;
  readonly price_provider_prefixes: ReadonlyMap<string, string>;
  readonly unpriced_providers: ReadonlySet<string>;

  readonly finish_reasons: readonly Source[];
  readonly finish_reason_words: ReadonlyMap<string, string>;
  readonly failed_values: Meanings<true>;
  readonly tripwire_values: Meanings<true>;
  readonly tripwire_members: readonly Source[];
  readonly tripwire_types: readonly string[];
  readonly denied_messages: readonly string[];
  readonly interrupt_types: readonly string[];
  /** Made of literal words alone, so that each takes linear time. */
  readonly failure_words: readonly (readonly [mark: Mark, pattern: RegExp])[];
  readonly resume_inputs: readonly string[];
  readonly approval_inputs: readonly string[];
  readonly decision_words: ReadonlyMap<string, Mark>;

  readonly step_name: readonly string[];
  readonly instructions: readonly string[];
  readonly tool_input: readonly string[];
  readonly tool_output: readonly string[];
  readonly prompt: readonly string[];
  readonly response: readonly string[];
}

/** The tables of which file, by name. */
export type TableName = Exclude<keyof Mapping, 'version'>;
