import type { StepKind } from '@sworn/evidence';
import type { Source, SourceIndex, SourceTable } from './source.js';

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
  /** Of all tables of sources. */
  readonly index: SourceIndex;

  readonly kind_by_value: Meanings<StepKind>;
  readonly kind_by_prefix: KindPrefixes;
  readonly vector_systems: ReadonlySet<string>;
  readonly infra_attributes: readonly string[];
  readonly handoff_tools: readonly string[];
  readonly handoff_spans: readonly string[];
  readonly db_system: SourceTable;
  readonly worker_attributes: readonly string[];
  readonly not_worker_values: Meanings<true>;

  readonly provider: SourceTable;
  readonly provider_before_dot: Source;
  readonly provider_last: Source;
  /** Tests the beginning of a name. */
  readonly no_provider: RegExp;
  readonly requested_model: SourceTable;
  readonly used_model: SourceTable;
  readonly response_id: SourceTable;
  readonly error_type: SourceTable;
  readonly tool: SourceTable;
  readonly named_by_kind: SourceTable;
  readonly agent: SourceTable;
  readonly parent_agent: SourceTable;
  readonly human: SourceTable;
  readonly conversation: SourceTable;
  readonly run_hint: SourceTable;
  readonly retry_count: SourceTable;
  readonly attempt: SourceTable;
  readonly service: SourceTable;
  readonly instance: SourceTable;
  readonly environment: SourceTable;
  readonly release: SourceTable;
  readonly span_environment: SourceTable;
  readonly span_release: SourceTable;

  readonly input_tokens: SourceTable;
  readonly output_tokens: SourceTable;
  readonly cache_read_tokens: SourceTable;
  readonly cache_write_tokens: SourceTable;
  readonly reasoning_tokens: SourceTable;
  /** Indexes into `input_tokens`. */
  readonly disjoint_input: ReadonlySet<number>;
  /** Indexes into `reasoning_tokens`. */
  readonly disjoint_reasoning: ReadonlySet<number>;
  readonly usage_buckets: string;
  readonly reported_cost: SourceTable;
  readonly cost_buckets: string;
  readonly price_providers: ReadonlyMap<string, string>;
  readonly price_provider_prefixes: ReadonlyMap<string, string>;
  readonly unpriced_providers: ReadonlySet<string>;

  readonly finish_reasons: SourceTable;
  readonly finish_reason_words: ReadonlyMap<string, string>;
  readonly failed_values: Meanings<true>;
  readonly tripwire_values: Meanings<true>;
  readonly tripwire_members: SourceTable;
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
export type TableName = Exclude<keyof Mapping, 'version' | 'index'>;
