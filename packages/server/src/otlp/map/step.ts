import { hex, sha256, type StepKind, utf8 } from '@sworn/evidence';
import type { ResourceView, SpanView } from '../span.js';
import { exceptionType, marksOf } from './marks.js';
import { nameShaped } from './name.js';
import type { Pricer } from './price.js';
import { type Source, Sources } from './source.js';
import type { Mapping, Mark } from './tables.js';
import { type TokenFields, tokensOf } from './tokens.js';

/** Finish reasons of one span: choices of one call. */
const MAX_FINISH_REASONS = 16;

/** Ids of policies or incidents one span may assert. */
const MAX_ASSERTED_IDS = 64;

/** SpanFlags of opentelemetry-proto: bit 8 says that bit 9 means something, bit 9 that the parent is in another process. */
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

/** Who started a run, as an application that may assert says (CONTRACT.md §3, endpoint 2). */
const ORIGINS = ['SYSTEM', 'HUMAN', 'AGENT', 'MIGRATION', 'REPLAY'] as const;
type Origin = (typeof ORIGINS)[number];

/** SpanKind of OTLP. */
const CLIENT = 3;
const PRODUCER = 4;

/** What the mapping works with: the tables, and the prices they are completed by. */
export interface Mapper {
  readonly mapping: Mapping;
  readonly pricer: Pricer;
}

/**
 * What a STEP leaf says of its span, named as in the leaf; absent members are absent there. Every string that comes from an
 * attribute is name-shaped: other values stay in the body alone.
 */
export interface StepFields extends TokenFields {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id?: string;
  readonly remote_parent?: boolean;
  readonly step_kind: StepKind;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  readonly marks?: readonly Mark[];
  /** Nanoseconds since 1970, decimal. */
  readonly started_ns: string;
  readonly ended_ns: string;
  /** 0 where the sender's end lies before its start. */
  readonly duration_us: number;
  readonly provider?: string;
  readonly model?: string;
  readonly request_model?: string;
  readonly response_id?: string;
  readonly finish_reasons?: readonly string[];
  readonly error_type?: string;
  readonly tool?: string;
  readonly agent_id?: string;
  readonly conversation_id?: string;
  readonly correlation_id?: string;
  readonly policy_ids?: readonly string[];
  readonly incident_ids?: readonly string[];
  readonly service?: string;
  readonly environment?: string;
  readonly release?: string;
  readonly sdk?: true;
  /** Computed by the price book, in billionths of a US dollar; present with `price_book`. */
  readonly priced_nano_usd?: number;
  readonly price_book?: string;
  /** The agent that gave the turn to this one. */
  readonly parent_agent_id?: string;
  readonly instance?: string;
  /** The root of a message, a job or a schedule. */
  readonly worker?: true;
  readonly retry_count?: number;
  /** The vendor's id of the run or turn; with `ingest:assert`, `sworn.run.id`. `h_` and 32 hex digits of its SHA-256 where it is no name. */
  readonly run_hint?: string;
  readonly run_asserted?: true;
  /** With `ingest:assert`, `sworn.origin`. */
  readonly origin?: Origin;
  readonly synthetic_claim?: true;
}

/** A mapped span: what goes into the leaf, and the human it names, in clear, to be made a token. */
export interface MappedStep {
  readonly fields: StepFields;
  readonly human: string | null;
}

/** Maps a span by the tables. `assert`: the ingest key has scope `ingest:assert`, so `sworn.*` attributes come first. */
export function mapSpan(mapper: Mapper, span: SpanView, resource: ResourceView, assert: boolean): MappedStep {
  const { mapping } = mapper;
  const sources = new Sources(span.attributes, mapping.index);
  const shared = resourceFields(mapping, resource);
  const tool = sources.firstText(mapping.tool, nameShaped);
  const tokens = tokensOf(mapping, sources);
  const kind = kindOf(mapping, span, sources, { tool, usage: bearsUsage(tokens) });
  const model = modelFields(mapper, sources, kind);
  const fields: StepFields = {
    trace_id: span.traceId,
    span_id: span.spanId,
    ...(span.parentSpanId !== null && { parent_span_id: span.parentSpanId }),
    ...((span.flags & HAS_IS_REMOTE) !== 0 && { remote_parent: (span.flags & IS_REMOTE) !== 0 }),
    step_kind: kind,
    status: span.status.code === 1 ? 'OK' : span.status.code === 2 ? 'ERROR' : 'UNSET',
    ...list('marks', marksOf(mapping, span, sources, kind)),
    started_ns: span.startNs.toString(),
    ended_ns: span.endNs.toString(),
    duration_us: durationUs(span),
    ...model,
    ...tokens,
    ...priceFields(mapper, span, model, tokens),
    ...list('finish_reasons', finishReasons(mapping, sources)),
    ...name('response_id', sources.firstText(mapping.response_id, nameShaped)),
    ...name('error_type', sources.firstText(mapping.error_type, nameShaped) ?? exceptionType(span)),
    ...name(
      'tool',
      tool ?? (kind === 'TOOL' ? (sources.firstText(mapping.named_by_kind, nameShaped) ?? span.name) : null),
    ),
    ...name(
      'agent_id',
      sources.firstText(mapping.agent, nameShaped) ??
        (kind === 'AGENT' ? sources.firstText(mapping.named_by_kind, nameShaped) : null),
    ),
    ...name('parent_agent_id', sources.firstText(mapping.parent_agent, nameShaped)),
    ...name('conversation_id', sources.firstText(mapping.conversation, nameShaped)),
    ...name('environment', sources.firstText(mapping.span_environment)),
    ...name('release', sources.firstText(mapping.span_release)),
    ...shared,
    ...(isWorker(mapping, span, sources) && { worker: true as const }),
    ...retries(mapping, sources),
    ...name('run_hint', hintOf(sources.firstText(mapping.run_hint))),
    ...(sources.text('user_agent.synthetic.type') !== null && { synthetic_claim: true as const }),
    ...(assert && assertedFields(sources)),
  };
  const human = (assert ? sources.text('sworn.human.id') : null) ?? sources.firstText(mapping.human);
  return { fields, human };
}

/** What any record says of the resource it came under. */
type ResourceFields = Pick<StepFields, 'service' | 'instance' | 'environment' | 'release' | 'sdk'>;

/** What was said of a resource, for as long as anybody holds it: all spans of a process have one. */
const resources = new WeakMap<Mapping, WeakMap<ResourceView, ResourceFields>>();

export function resourceFields(mapping: Mapping, resource: ResourceView): ResourceFields {
  let known = resources.get(mapping);
  if (known === undefined) resources.set(mapping, (known = new WeakMap()));
  let fields = known.get(resource);
  if (fields === undefined) {
    const sources = new Sources(resource.attributes, mapping.index);
    fields = {
      ...name('service', sources.firstText(mapping.service)),
      ...name('instance', sources.firstText(mapping.instance, nameShaped)),
      ...name('environment', sources.firstText(mapping.environment, nameShaped)),
      ...name('release', sources.firstText(mapping.release, nameShaped)),
      ...(sources.text('telemetry.sdk.name') !== null && { sdk: true as const }),
    };
    known.set(resource, fields);
  }
  return fields;
}

function bearsUsage(tokens: TokenFields): boolean {
  return tokens.input_tokens !== undefined || tokens.output_tokens !== undefined;
}

function kindOf(
  mapping: Mapping,
  span: SpanView,
  sources: Sources,
  { tool, usage }: { readonly tool: string | null; readonly usage: boolean },
): StepKind {
  if (tool !== null && mapping.handoff_tools.some((prefix) => tool.startsWith(prefix))) return 'HANDOFF';
  if (mapping.handoff_spans.some((prefix) => span.name.length > prefix.length && span.name.startsWith(prefix))) {
    return 'HANDOFF';
  }
  for (const [source, meanings] of mapping.kind_by_value) {
    const kind = meanings.get(sources.text(source)?.toLowerCase() ?? '');
    if (kind !== undefined) return kind;
  }
  if (usage) return 'LLM';
  const system = sources.firstText(mapping.db_system);
  if (mapping.vector_systems.has(system?.toLowerCase() ?? '')) return 'RETRIEVAL';
  for (const [kind, prefixes] of mapping.kind_by_prefix) if (hasPrefix(span, prefixes)) return kind;
  return mapping.infra_attributes.some((key) => span.attributes.has(key)) ? 'INFRA' : 'OTHER';
}

type ModelFields = Pick<StepFields, 'provider' | 'model' | 'request_model'>;

function modelFields(mapper: Mapper, sources: Sources, kind: StepKind): ModelFields {
  const { mapping } = mapper;
  const requested = sources.firstText(mapping.requested_model, nameShaped);
  const model = sources.firstText(mapping.used_model, nameShaped) ?? requested;
  return {
    ...name('provider', providerOf(mapper, sources, { kind, model })),
    ...name('model', model),
    ...name('request_model', requested),
  };
}

function providerOf(
  { mapping, pricer }: Mapper,
  sources: Sources,
  { kind, model }: { readonly kind: StepKind; readonly model: string | null },
): string | null {
  const real = (text: string) => nameShaped(text) && !mapping.no_provider.test(text);
  const named = sources.firstText(mapping.provider, real);
  const sdkName = sources.text(mapping.provider_before_dot);
  const beforeDot = sdkName?.split('.', 1)[0];
  // The AI SDK repeats its own name, `openai.chat`, as `gen_ai.system`; `aws.bedrock` and `azure.ai.openai` of others stay whole.
  if (named !== null && (named !== sdkName || beforeDot === undefined || !real(beforeDot))) return named;
  if (beforeDot !== undefined && real(beforeDot)) return beforeDot;
  if (kind !== 'LLM' && kind !== 'EMBEDDING') return null;
  return (model === null ? null : pricer.providerOf(model)) ?? sources.text(mapping.provider_last);
}

/** By the model used, at the time of the call. A span without usage has no price, and an unknown model none that is 0. */
function priceFields(
  { pricer }: Mapper,
  span: SpanView,
  { provider, model }: ModelFields,
  tokens: TokenFields,
): Pick<StepFields, 'priced_nano_usd' | 'price_book'> {
  if (model === undefined || !bearsUsage(tokens)) return {};
  const nano = pricer.price({
    provider: provider ?? null,
    model,
    inputTokens: tokens.input_tokens ?? 0,
    outputTokens: tokens.output_tokens ?? 0,
    cachedTokens: tokens.cached_tokens ?? 0,
    cacheWriteTokens: tokens.cache_write_tokens ?? 0,
    startedNs: span.startNs,
  });
  return nano === null ? {} : { priced_nano_usd: nano, price_book: pricer.book };
}

function finishReasons(mapping: Mapping, sources: Sources): string[] {
  for (const { source } of sources.of(mapping.finish_reasons)) {
    // LangSmith joins the reasons of several choices by commas.
    const reasons = sources
      .texts(source)
      .flatMap((said) => said.split(', '))
      .map((reason) => mapping.finish_reason_words.get(reason.toLowerCase()) ?? reason)
      .filter(nameShaped);
    if (reasons.length > 0) return reasons.slice(0, MAX_FINISH_REASONS);
  }
  return [];
}

function isWorker(mapping: Mapping, span: SpanView, sources: Sources): boolean {
  const isRoot = span.parentSpanId === null || (span.flags & IS_REMOTE) !== 0;
  if (!isRoot || span.kind === CLIENT || span.kind === PRODUCER) return false;
  const attribute = mapping.worker_attributes.find((key) => span.attributes.has(key));
  if (attribute === undefined) return false;
  return !mapping.not_worker_values.some(([source, values]) => values.has(sources.word(source) ?? ''));
}

function retries(mapping: Mapping, sources: Sources): Pick<StepFields, 'retry_count'> {
  const count = sources.firstCount(mapping.retry_count);
  if (count !== null) return { retry_count: count };
  const attempt = sources.firstCount(mapping.attempt);
  return attempt === null || attempt === 0 ? {} : { retry_count: attempt - 1 };
}

/** An id of a run as it may stand in a leaf. What redaction put in its place is nobody's id. */
export function hintOf(id: string | null): string | null {
  if (id === null || id.includes(REDACTED)) return null;
  return nameShaped(id) ? id : `h_${hex(sha256(utf8(id))).slice(0, 32)}`;
}

const REDACTED = '[REDACTED:';

/** What a key with scope `ingest:assert` says by `sworn.*` attributes, but for the human. */
export function assertedFields(
  sources: Sources,
): Pick<StepFields, 'run_hint' | 'run_asserted' | 'correlation_id' | 'policy_ids' | 'incident_ids' | 'origin'> {
  const ids = (source: Source) => sources.texts(source).filter(nameShaped).slice(0, MAX_ASSERTED_IDS);
  const run = hintOf(sources.text('sworn.run.id'));
  const said = sources.text('sworn.origin');
  const origin = ORIGINS.find((known) => known === said);
  return {
    ...(run !== null && { run_hint: run, run_asserted: true as const }),
    ...name('correlation_id', sources.text('sworn.correlation.id')),
    ...list('policy_ids', ids('sworn.policy.ids')),
    ...list('incident_ids', ids('sworn.incident.ids')),
    ...(origin !== undefined && { origin }),
  };
}

function durationUs(span: SpanView): number {
  const us = (span.endNs - span.startNs) / 1000n;
  return us < 0n ? 0 : Number(us > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : us);
}

function hasPrefix(span: SpanView, prefixes: readonly string[]): boolean {
  for (const key of span.attributes.keys()) {
    if (prefixes.some((prefix) => key.startsWith(prefix))) return true;
  }
  return false;
}

/** A member of its own, or none: what is not name-shaped stays in the body. */
export function name<K extends string>(member: K, value: string | null): { readonly [P in K]?: string } {
  return value !== null && nameShaped(value) ? ({ [member]: value } as { [P in K]: string }) : {};
}

function list<K extends string, T>(member: K, values: readonly T[]): { readonly [P in K]?: readonly T[] } {
  return values.length > 0 ? ({ [member]: values } as unknown as { [P in K]: readonly T[] }) : {};
}
