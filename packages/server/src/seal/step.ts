import type { StepKind } from '@sworn/evidence';
import type { FollowedLeaf } from '../store/sealing.js';

/** What a STEP leaf says, as the sealer folds it. Absent members of the leaf are null here. */
export interface SealedStep {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  /** No parent, or one in another service by OTLP's flags: nothing above it will come. */
  readonly isRoot: boolean;
  /** OTLP's flags say that its parent is in this very process: it did come into being, or was lost. */
  readonly hasLocalParent: boolean;
  readonly kind: StepKind;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  /** Leaf hashes (hex) of the RESOURCE records of its resource and its scope. */
  readonly resource: string | null;
  readonly scope: string | null;
  readonly service: string | null;
  /** `service.instance.id`. */
  readonly instance: string | null;
  readonly environment: string | null;
  readonly release: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly costNanoUsd: number | null;
  readonly pricedNanoUsd: number | null;
  readonly priceBook: string | null;
  readonly finishReasons: readonly string[];
  readonly errorType: string | null;
  readonly tool: string | null;
  readonly agentId: string | null;
  readonly conversationId: string | null;
  readonly correlationId: string | null;
  readonly humanActorId: string | null;
  readonly policyIds: readonly string[];
  readonly incidentIds: readonly string[];
  readonly responseId: string | null;
  /** The vendor's run or turn id, or `sworn.run.id`, which only some keys may assert. */
  readonly runHint: string | null;
  readonly runAsserted: boolean;
  /** As asserted; null: not. */
  readonly origin: string | null;
  /** The root of a message or a job. */
  readonly worker: boolean;
  readonly sdk: boolean;
  /** Marks of the mapping, e.g. `interrupt`, `tripwire`, `denied`. */
  readonly marks: readonly string[];
  /** Version of the mapping that read its span. */
  readonly map: number | null;
  /** Sent with a key that is not bound to this service: kept, and changes nothing. */
  readonly foreign: boolean;
}

/** What a fold holds of a step. */
export type HeldStep = Omit<SealedStep, 'leafHash'>;

/** Texts that many steps of one run have in common. */
const SHARED = [
  'occurredAt',
  'recordedAt',
  'traceId',
  'resource',
  'scope',
  'service',
  'instance',
  'environment',
  'release',
  'provider',
  'model',
  'priceBook',
  'errorType',
  'tool',
  'agentId',
  'conversationId',
  'correlationId',
  'humanActorId',
  'runHint',
  'origin',
] as const satisfies readonly (keyof SealedStep)[];
const LISTS = ['policyIds', 'incidentIds', 'finishReasons', 'marks'] as const satisfies readonly (keyof SealedStep)[];
const NONE: readonly string[] = [];

/** Makes copies of steps, about 700 bytes each, in which equal texts are held once. For the steps of one run. */
export function createHolder(): (step: SealedStep) => HeldStep {
  const texts = new Map<string, string>();
  const share = (text: string): string => {
    const known = texts.get(text);
    if (known === undefined) texts.set(text, text);
    return known ?? text;
  };
  return (step) => {
    const held = { ...step, leafHash: undefined } as { -readonly [name in keyof HeldStep]: HeldStep[name] };
    for (const name of SHARED) {
      const text = held[name];
      if (text !== null) (held[name] as string) = share(text);
    }
    for (const name of LISTS) held[name] = held[name].length === 0 ? NONE : held[name].map(share);
    return held;
  };
}

/** Reads a STEP leaf that the writer's own sequencer stored. Whether it is intact is the checks' business, and the reader's. */
export function readStep(leaf: FollowedLeaf): SealedStep {
  const f = JSON.parse(
    Buffer.from(leaf.leaf.buffer, leaf.leaf.byteOffset, leaf.leaf.byteLength).toString('utf8'),
  ) as Readonly<Record<string, unknown>>;
  const text = (name: string): string | null => (typeof f[name] === 'string' ? f[name] : null);
  const count = (name: string): number | null => (typeof f[name] === 'number' ? f[name] : null);
  const texts = (name: string): string[] =>
    Array.isArray(f[name]) ? f[name].filter((x) => typeof x === 'string') : [];
  const status = text('status');
  return {
    index: leaf.index,
    leafHash: leaf.leafHash,
    occurredAt: text('occurred_at') ?? '',
    recordedAt: leaf.recordedAt,
    traceId: text('trace_id') ?? '',
    spanId: text('span_id') ?? '',
    parentSpanId: text('parent_span_id'),
    isRoot: text('parent_span_id') === null || f.remote_parent === true,
    hasLocalParent: text('parent_span_id') !== null && f.remote_parent === false,
    kind: (text('step_kind') ?? 'OTHER') as StepKind,
    status: status === 'OK' || status === 'ERROR' ? status : 'UNSET',
    startedNs: BigInt(text('started_ns') ?? '0'),
    endedNs: BigInt(text('ended_ns') ?? '0'),
    resource: text('resource'),
    scope: text('scope'),
    service: text('service'),
    instance: text('instance'),
    environment: text('environment'),
    release: text('release'),
    provider: text('provider'),
    model: text('model') ?? text('request_model'),
    inputTokens: count('input_tokens'),
    outputTokens: count('output_tokens'),
    cachedTokens: count('cached_tokens'),
    cacheWriteTokens: count('cache_write_tokens'),
    reasoningTokens: count('reasoning_tokens'),
    costNanoUsd: count('cost_nano_usd'),
    pricedNanoUsd: count('priced_nano_usd'),
    priceBook: text('price_book'),
    finishReasons: texts('finish_reasons'),
    errorType: text('error_type'),
    tool: text('tool'),
    agentId: text('agent_id'),
    conversationId: text('conversation_id'),
    correlationId: text('correlation_id'),
    humanActorId: text('human_actor_id'),
    policyIds: texts('policy_ids'),
    incidentIds: texts('incident_ids'),
    responseId: text('response_id'),
    runHint: text('run_hint'),
    runAsserted: f.run_asserted === true,
    origin: text('origin'),
    worker: f.worker === true,
    sdk: f.sdk === true,
    marks: texts('marks'),
    map: count('map'),
    foreign: f.foreign === true,
  };
}
