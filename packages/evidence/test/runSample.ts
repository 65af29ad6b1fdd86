import { hex, utf8 } from '../src/bytes.js';
import type { RecordFile } from '../src/bundle/runRecords.js';
import type { RunStatement } from '../src/bundle/runStatement.js';
import { encodeLeaf, type LeafFields } from '../src/leaf.js';
import { timeOf } from '../src/run/quantity.js';
import { sha256 } from '../src/sha256.js';
import { leafHash, treeHash } from '../src/tree.js';

/** A made-up run as its bundle has it: an agent that looks a customer up, asks two models, and is stopped by a limit until a person approves. */
export interface RunSample {
  readonly runId: string;
  readonly files: readonly RecordFile[];
  readonly statement: RunStatement;
}

const TENANT = '3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f';
const KEYS = ['7b0e2d52-54c1-4b6f-8a3e-0f6f2a0f4a11', 'c41d9f06-2a7e-4b58-9d13-6e0a5b7c8d92'] as const;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const BEGAN = 1_764_032_523_000_004_000n;
const HUMAN = 'tok_2e6f1a0b9c8d7e6f5a4b3c2d1e0f9a8b';

const KINDS = [
  {
    step_kind: 'LLM',
    provider: 'openai',
    model: 'gpt-4o-mini',
    input_tokens: 1_412,
    output_tokens: 99,
    cost_nano_usd: 271_200,
  },
  { step_kind: 'TOOL', tool: 'crm.lookup_customer' },
  {
    step_kind: 'LLM',
    provider: 'anthropic',
    model: 'claude-sonnet-4',
    input_tokens: 3_080,
    output_tokens: 512,
    priced_nano_usd: 16_920_000,
    price_book: 'genai-prices 0.1.8',
  },
  { step_kind: 'RETRIEVAL', tool: 'contracts.search' },
  { step_kind: 'TOOL', tool: 'payments.refund', status: 'ERROR', error_type: 'LimitExceeded' },
] as const;

/** How a step is that is not like the others. */
export interface StepShape {
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  /** Which step is above it; null: none. */
  readonly parent: number | null;
}

/** A run of so many steps, those of `shapes` so; one more, that begins at no time, if it is said. */
export function runSample(
  steps = 12,
  { untimed = false, shapes = [] }: { readonly untimed?: boolean; readonly shapes?: readonly StepShape[] } = {},
): RunSample {
  const root = spanOf(0);
  const own = [
    leaf('llm-runs', 'STEP', 0, {
      ...stepFields(0),
      ...shapeFields(shapes[0]),
      step_kind: 'AGENT',
      agent_id: 'refund-agent',
      redacted: [{ rule: 'api_key.openai', path: 'attributes.authorization', n: 64 }],
    }),
    ...Array.from({ length: steps - 1 }, (_, i) =>
      leaf('llm-runs', 'STEP', i + 1, {
        ...stepFields(i + 1),
        ...KINDS[i % KINDS.length],
        parent_span_id: root,
        ...shapeFields(shapes[i + 1]),
      }),
    ),
  ];
  if (untimed)
    own.push(
      leaf('llm-runs', 'STEP', steps, {
        ...stepFields(steps),
        step_kind: 'CHAIN',
        started_ns: '0',
        ended_ns: '0',
        parent_span_id: root,
      }),
    );
  const opened = leaf(
    'llm-runs',
    'OPENED',
    0,
    { run_id: TRACE, trace_id: TRACE, is_synthetic: false, source: 'SDK', first: hashOf(own[0] as Uint8Array) },
    true,
  );
  const events = [
    leaf('audit', 'GOVERNANCE', 4, {
      trace_id: TRACE,
      span_id: spanOf(4),
      event_type: 'guardrail.checked',
      category: 'THRESHOLD_CHECK',
      decision: 'DENY',
      policy_id: 'refund-limit',
      policy_version: '2025-10',
      rule_id: 'amount.max',
      observed: '1240.00',
      threshold: '1000.00',
      unit: 'EUR',
      reported_by: 'CLIENT',
      tool: 'payments.refund',
      rule: 'openinference.guardrail',
      enforced_by: 'policy-engine',
    }),
    leaf(
      'audit',
      'AUDIT',
      6,
      {
        trace_id: TRACE,
        span_id: spanOf(4),
        event_type: 'approval.decided',
        category: 'APPROVAL_DECISION',
        decision: 'ALLOW',
        native_field: 'approval.status',
        native_decision: 'approved',
        policy_id: 'refund-limit',
        human_actor_id: HUMAN,
        reported_by: 'CLIENT',
        service: 'approvals',
      },
      false,
      KEYS[1],
    ),
    leaf(
      'audit',
      'OVERRIDE',
      7,
      {
        trace_id: TRACE,
        span_id: spanOf(4),
        event_type: 'override',
        category: 'OVERRIDE',
        decision: 'ALLOW',
        rule: 'override.human',
        rule_version: 1,
        decided_by: 'HUMAN',
        human_actor_id: HUMAN,
        reported_by: 'DERIVED',
        policy_id: 'refund-limit',
        observed: '1240.00',
        threshold: '1000.00',
        unit: 'EUR',
      },
      true,
    ),
  ];
  const around = [
    leaf('system', 'RESOURCE', 0, {
      part: 'resource',
      service: 'shop-agent',
      environment: 'production',
      occurred_basis: 'received',
    }),
    leaf('system', 'THROTTLED', 5, {
      severity: 'WARN',
      event_name: 'provider.rate_limited',
      component: 'shop-agent',
      service: 'shop-agent',
      environment: 'production',
    }),
  ];
  const run = leaf(
    'llm-runs',
    'RUN',
    steps,
    {
      run_id: TRACE,
      trace_id: TRACE,
      revision: 1,
      run_index: 1,
      sizes: { 'llm-runs': steps + 1, system: 2, audit: 3 },
      steps: own.length,
      traces: 1,
      conflicts: 0,
      map: 7,
      tree: hex(treeHash(own.map(leafHash))),
      execution_status: 'SUCCEEDED',
      outcome: 'NEAR_THRESHOLD',
      termination_reason: 'completed',
      root_missing: false,
      had_errors: true,
      is_synthetic: false,
      source: 'SDK',
      executor_type: 'AGENT',
      agent_id: 'refund-agent',
      human_actor_id: HUMAN,
      started_at: timeOf(BEGAN),
      completed_at: timeOf(BEGAN + BigInt(steps) * 400_000_000n),
      duration_us: steps * 400_000,
      inflection: {
        timestamp: timeOf(BEGAN + 1_600_000_000n),
        reason: 'DENY',
        span_id: spanOf(4),
        step_index: 4,
        observed: '1240.00',
        threshold: '1000.00',
      },
      merged_steps: 1,
      input_tokens: 11_980,
      output_tokens: 1_632,
      cached_tokens: 2_048,
      cost_nano_usd: 51_302_400,
      cost_source: 'PRICED',
      reported_nano_usd: 542_400,
      priced_nano_usd: 50_760_000,
      price_book: 'genai-prices 0.1.8',
      tools: ['contracts.search', 'crm.lookup_customer', 'payments.refund'],
      policy_ids: ['refund-limit'],
      incident_ids: ['INC-2025-0117'],
      service: 'shop-agent',
      environment: 'production',
      release: '2025.11.3',
      provider: 'anthropic',
      model: 'claude-sonnet-4',
      resource: hashOf(around[0] as Uint8Array),
    },
    true,
  );
  const files = [
    fileOf('audit', events, 40),
    fileOf('llm-runs', [opened, ...own, run], 1_200),
    fileOf('system', around, 9),
  ];
  return { runId: TRACE, files, statement: statementOf(files, run) };
}

function shapeFields(shape: StepShape | undefined) {
  if (shape === undefined) return {};
  const { startedNs, endedNs, parent } = shape;
  const above = parent === null ? undefined : spanOf(parent);
  return { started_ns: String(startedNs), ended_ns: String(endedNs), parent_span_id: above };
}

function stepFields(at: number) {
  const started = BEGAN + BigInt(at) * 400_000_000n;
  return {
    trace_id: TRACE,
    span_id: spanOf(at),
    status: 'OK',
    started_ns: String(started),
    ended_ns: String(started + 350_000_000n),
    duration_us: 350_000,
    service: 'shop-agent',
    environment: 'production',
    human_actor_id: HUMAN,
  };
}

function spanOf(at: number): string {
  return (BigInt('0xb7ad6b7100000000') + BigInt(at)).toString(16);
}

function leaf(
  log: string,
  kind: string,
  at: number,
  members: Readonly<Record<string, LeafFields[string] | undefined>>,
  bySworn = false,
  key: string = KEYS[0],
): Uint8Array {
  const occurred = BEGAN + BigInt(at) * 400_000_000n;
  const said = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Record<
    string,
    LeafFields[string]
  >;
  return encodeLeaf({
    t: 'sworn.leaf/1',
    log: originOf(log),
    kind,
    by: bySworn ? 'sworn' : 'producer',
    ...(bySworn ? {} : { key }),
    event_key: kind === 'STEP' ? TRACE + spanOf(at) : hex(sha256(utf8(`${log} ${kind} ${at}`))),
    occurred_at: timeOf(occurred),
    recorded_at: timeOf(occurred + 1_250_000_000n),
    r: hex(sha256(utf8(`r ${log} ${kind} ${at}`))).slice(0, 32),
    ...said,
  });
}

function originOf(log: string): string {
  return `sworn-0123456789abcdef/${TENANT}/${log}`;
}

function hashOf(bytes: Uint8Array): string {
  return hex(leafHash(bytes));
}

function fileOf(log: string, leaves: readonly Uint8Array[], first: number): RecordFile {
  return {
    log,
    indexes: leaves.map((_, i) => first + i),
    async *leaves() {
      yield* leaves;
    },
    leafAt: async (line) => leaves[line] as Uint8Array,
  };
}

function statementOf(files: readonly RecordFile[], run: Uint8Array): RunStatement {
  const [, llm] = files;
  const logs = files.map(({ log, indexes }) => ({
    log,
    origin: originOf(log),
    size: (indexes.at(-1) ?? 0) + 17,
    shown: indexes.length,
    withheld: 0,
    disclosed: 0,
    undisclosed: indexes.length,
    erased: 0,
  }));
  return {
    format: 'sworn.bundle/1',
    scope: { kind: 'RUN', tenant_id: TENANT, run_id: TRACE },
    disclosure: 'none',
    logs,
    complete_by: { log: 'llm-runs', leaf_index: llm?.indexes.at(-1) ?? 0, checksum: `sha256:${hashOf(run)}` },
  };
}
