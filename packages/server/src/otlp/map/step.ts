import type { ResourceView, SpanView } from '../span.js';
import { exceptionType, marksOf } from './marks.js';
import { nameShaped } from './name.js';
import { type Source, Sources } from './source.js';
import * as tables from './tables.js';
import { type TokenFields, tokensOf } from './tokens.js';

/** Finish reasons of one span: choices of one call. */
const MAX_FINISH_REASONS = 16;

/** Ids of policies or incidents one span may assert. */
const MAX_ASSERTED_IDS = 64;

/** SpanFlags of opentelemetry-proto: bit 8 says that bit 9 means something, bit 9 that the parent is in another process. */
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

/**
 * What a STEP leaf says of its span, named as in the leaf; absent members are absent there. Every string that comes from an
 * attribute is name-shaped: other values stay in the body alone.
 */
export interface StepFields extends TokenFields {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id?: string;
  readonly remote_parent?: boolean;
  readonly step_kind: tables.StepKind;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  readonly marks?: readonly tables.Mark[];
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
  /** The vendor's id of the run or turn; with `ingest:assert`, `sworn.run.id`. */
  readonly run_hint?: string;
  readonly synthetic_claim?: true;
}

/** A mapped span: what goes into the leaf, and the human it names, in clear, to be made a token. */
export interface MappedStep {
  readonly fields: StepFields;
  readonly human: string | null;
}

/** Maps a span by the tables. `assert`: the ingest key has scope `ingest:assert`, so `sworn.*` attributes come first. */
export function mapSpan(span: SpanView, resource: ResourceView, assert: boolean): MappedStep {
  const sources = new Sources(span.attributes);
  const shared = new Sources(resource.attributes);
  const tool = toolOf(sources);
  const tokens = tokensOf(sources);
  const kind = kindOf(span, sources, tool, tokens);
  const fields: StepFields = {
    trace_id: span.traceId,
    span_id: span.spanId,
    ...(span.parentSpanId !== null && { parent_span_id: span.parentSpanId }),
    ...((span.flags & HAS_IS_REMOTE) !== 0 && { remote_parent: (span.flags & IS_REMOTE) !== 0 }),
    step_kind: kind,
    status: span.status.code === 1 ? 'OK' : span.status.code === 2 ? 'ERROR' : 'UNSET',
    ...list('marks', marksOf(span, sources, kind)),
    started_ns: span.startNs.toString(),
    ended_ns: span.endNs.toString(),
    duration_us: durationUs(span),
    ...modelFields(sources, kind),
    ...tokens,
    ...list('finish_reasons', finishReasons(sources)),
    ...name('response_id', sources.firstText(tables.RESPONSE_ID, nameShaped)),
    ...name('error_type', sources.firstText(tables.ERROR_TYPE, nameShaped) ?? exceptionType(span)),
    ...name('tool', tool ?? toolOfKind(span, sources, kind)),
    ...name('agent_id', sources.firstText(tables.AGENT, nameShaped) ?? entityOfKind(sources, kind, 'AGENT')),
    ...name('conversation_id', sources.firstText(tables.CONVERSATION, nameShaped)),
    ...name('service', shared.firstText(tables.SERVICE)),
    ...name(
      'environment',
      shared.firstText(tables.ENVIRONMENT, nameShaped) ?? sources.firstText(tables.SPAN_ENVIRONMENT),
    ),
    ...name('release', shared.firstText(tables.RELEASE, nameShaped) ?? sources.firstText(tables.SPAN_RELEASE)),
    ...(shared.text('telemetry.sdk.name') !== null && { sdk: true as const }),
    ...name('run_hint', sources.firstText(tables.RUN_HINT, nameShaped)),
    ...(sources.text('user_agent.synthetic.type') !== null && { synthetic_claim: true as const }),
    ...(assert && assertedFields(sources)),
  };
  const human = (assert ? sources.text('sworn.human.id') : null) ?? sources.firstText(tables.HUMAN);
  return { fields, human };
}

function kindOf(span: SpanView, sources: Sources, tool: string | null, tokens: TokenFields): tables.StepKind {
  if (tables.HANDOFF_TOOL.test(tool ?? '') || tables.HANDOFF_SPAN.test(span.name)) return 'HANDOFF';
  for (const [source, meanings] of tables.KINDS) {
    const kind = meanings.get(sources.text(source)?.toLowerCase() ?? '');
    if (kind !== undefined) return kind;
  }
  if (tokens.input_tokens !== undefined || tokens.output_tokens !== undefined) return 'LLM';
  const system = sources.firstText(['db.system.name', 'db.system']);
  if (tables.VECTOR_SYSTEMS.has(system?.toLowerCase() ?? '') || hasPrefix(span, tables.VECTOR_QUERY_PREFIXES)) {
    return 'RETRIEVAL';
  }
  return tables.INFRA_ATTRIBUTES.some((key) => span.attributes.has(key)) ? 'INFRA' : 'OTHER';
}

function modelFields(
  sources: Sources,
  kind: tables.StepKind,
): Pick<StepFields, 'provider' | 'model' | 'request_model'> {
  const requested = sources.firstText(tables.REQUEST_MODEL, nameShaped);
  return {
    ...name('provider', providerOf(sources, kind)),
    ...name('model', sources.firstText(tables.RESPONSE_MODEL, nameShaped) ?? requested),
    ...name('request_model', requested),
  };
}

function providerOf(sources: Sources, kind: tables.StepKind): string | null {
  const real = (text: string) => nameShaped(text) && !tables.NO_PROVIDER.test(text);
  const named = sources.firstText(tables.PROVIDER, real);
  const sdkName = sources.text(tables.PROVIDER_BEFORE_DOT);
  const beforeDot = sdkName?.split('.', 1)[0];
  // The AI SDK repeats its own name, `openai.chat`, as `gen_ai.system`; `aws.bedrock` and `azure.ai.openai` of others stay whole.
  if (named !== null && (named !== sdkName || beforeDot === undefined || !real(beforeDot))) return named;
  if (beforeDot !== undefined && real(beforeDot)) return beforeDot;
  return kind === 'LLM' || kind === 'EMBEDDING' ? sources.text(tables.PROVIDER_LAST) : null;
}

function toolOf(sources: Sources): string | null {
  return sources.firstText(tables.TOOL, nameShaped);
}

function toolOfKind(span: SpanView, sources: Sources, kind: tables.StepKind): string | null {
  return entityOfKind(sources, kind, 'TOOL') ?? (kind === 'TOOL' ? span.name : null);
}

function entityOfKind(sources: Sources, kind: tables.StepKind, wanted: tables.StepKind): string | null {
  return kind === wanted ? sources.text(tables.ENTITY_NAME) : null;
}

function finishReasons(sources: Sources): string[] {
  for (const source of tables.FINISH_REASONS) {
    const reasons = sources
      .texts(source)
      .map((reason) => tables.FINISH_REASON_WORDS.get(reason) ?? reason)
      .filter(nameShaped);
    if (reasons.length > 0) return reasons.slice(0, MAX_FINISH_REASONS);
  }
  return [];
}

function assertedFields(
  sources: Sources,
): Pick<StepFields, 'run_hint' | 'correlation_id' | 'policy_ids' | 'incident_ids'> {
  const ids = (source: Source) => sources.texts(source).filter(nameShaped).slice(0, MAX_ASSERTED_IDS);
  return {
    ...name('run_hint', sources.text('sworn.run.id')),
    ...name('correlation_id', sources.text('sworn.correlation.id')),
    ...list('policy_ids', ids('sworn.policy.ids')),
    ...list('incident_ids', ids('sworn.incident.ids')),
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
function name<K extends string>(member: K, value: string | null): { readonly [P in K]?: string } {
  return value !== null && nameShaped(value) ? ({ [member]: value } as { [P in K]: string }) : {};
}

function list<K extends string, T>(member: K, values: readonly T[]): { readonly [P in K]?: readonly T[] } {
  return values.length > 0 ? ({ [member]: values } as unknown as { [P in K]: readonly T[] }) : {};
}
