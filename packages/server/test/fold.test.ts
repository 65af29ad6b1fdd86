import { hex, nodeHash, sha256, treeHash, utf8 } from '@sworn/evidence';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFold, type FoldedRun, type RunSummary } from '../src/seal/fold.js';
import { runLeaf } from '../src/seal/leaves.js';
import { sightings } from '../src/seal/sighting.js';
import { readStep, type SealedStep } from '../src/seal/step.js';

const SECOND = 1_000_000_000n;
const DAWN = 1_700_000_000n * SECOND;

/** What a STEP leaf has beside what every one of these has; `at` and `until` in seconds after the dawn. */
interface Said {
  readonly id: string;
  readonly parent?: string;
  readonly at?: number;
  readonly until?: number;
  readonly [member: string]: unknown;
}

/** A step as the sealer reads it from its leaf. */
function step(said: Said, index = 0): SealedStep {
  const { id, parent, at = 0, until = at + 1, ...rest } = said;
  const fields = {
    occurred_at: '2026-11-25T00:00:00.000000Z',
    span_id: idOf(id),
    ...(parent === undefined ? {} : { parent_span_id: idOf(parent) }),
    step_kind: 'CHAIN',
    status: 'UNSET',
    started_ns: String(DAWN + BigInt(at) * SECOND),
    ended_ns: String(DAWN + BigInt(until) * SECOND),
    ...rest,
  };
  const leaf = utf8(JSON.stringify(fields));
  return readStep({
    index,
    kind: 'STEP',
    leaf,
    leafHash: sha256(leaf),
    traceId: new Uint8Array(16),
    recordedAt: '2026-11-25T00:00:01.000000Z',
  });
}

/** A run of one trace that it has whole. */
const BARE: FoldedRun = { runId: 'a'.repeat(32), roots: new Set(), resumption: null };

function idOf(name: string): string {
  return hex(sha256(utf8(name))).slice(0, 16);
}

function fold(...said: readonly Said[]): RunSummary {
  const folding = createFold();
  said.forEach((s, i) => folding.add(step(s, i)));
  return folding.finish(BARE);
}

/** Encodes the RUN leaf of a summary: it must always fit. */
function sealed(summary: RunSummary): Record<string, unknown> {
  const { leaf } = runLeaf({
    origin: `test/${crypto.randomUUID()}/llm-runs`,
    runId: 'a'.repeat(256),
    traceId: 'a'.repeat(32),
    membersBelow: 3,
    revision: 1,
    runIndex: 0,
    runOccurredAt: '2026-11-25T00:00:00.000000Z',
    sizes: { 'llm-runs': 1, system: 0, audit: 0 },
    synthetic: false,
    summary,
  });
  return JSON.parse(Buffer.from(leaf).toString('utf8')) as Record<string, unknown>;
}

describe('the tree of a run', () => {
  it('is the RFC 6962 tree over its step leaves in admission order, and the range its compact form', () => {
    const steps = Array.from({ length: 1500 }, (_, i) => step({ id: `s${i}`, at: 1500 - i }, i));
    const folding = createFold();
    for (const s of steps) folding.add(s);
    const summary = folding.finish(BARE);
    expect(hex(summary.tree)).toBe(hex(treeHash(steps.map((s) => s.leafHash))));
    expect(summary.range.size).toBe(1500);
    expect(hex(summary.range.hashes.reduceRight((right, left) => nodeHash(left, right)))).toBe(hex(summary.tree));
    expect(summary.steps).toBe(1500);
  });

  it('counts steps of a foreign key, which change nothing else', () => {
    const own = fold({ id: 'root', step_kind: 'AGENT', service: 'mine', at: 5 });
    const both = fold(
      { id: 'root', step_kind: 'AGENT', service: 'mine', at: 5 },
      {
        id: 'x',
        foreign: true,
        service: 'theirs',
        status: 'ERROR',
        at: 1,
        until: 99,
        input_tokens: 9,
        step_kind: 'LLM',
      },
    );
    expect(both).toEqual({ ...own, steps: 2, foreignSteps: 1, tree: both.tree, range: both.range });
  });

  it('holds no foreign steps in the place of own ones', () => {
    const folding = createFold(3);
    const said = ['f', 'g', 'h', 'own'].map((id, i) => step({ id, foreign: i < 3, output_tokens: 7 }, i));
    for (const one of said) folding.add(one);
    expect(folding.finish(BARE)).toMatchObject({ steps: 4, foreignSteps: 3, stepsNotRead: 0, outputTokens: 7 });
  });

  it('counts conflicts apart from steps', () => {
    const folding = createFold();
    folding.add(step({ id: 'root' }));
    folding.addConflict();
    folding.addConflict();
    expect(folding.finish(BARE)).toMatchObject({ steps: 1, conflicts: 2 });
  });

  it('counts and hashes a flood beyond its bound, and still knows the root that comes last', () => {
    const folding = createFold(10);
    const steps = Array.from({ length: 30 }, (_, i) => step({ id: `s${i}`, parent: 'root' }, i));
    steps.push(step({ id: 'root', service: 'bot' }, 30));
    for (const s of steps) folding.add(s);
    const summary = folding.finish(BARE);
    expect(summary).toMatchObject({ steps: 31, stepsNotRead: 20, rootMissing: false, service: 'bot' });
    expect(hex(summary.tree)).toBe(hex(treeHash(steps.map((s) => s.leafHash))));
    expect(sealed(summary)).toMatchObject({ steps: 31, steps_not_read: 20 });
  });
});

describe('the root of a run', () => {
  it('is the step without a parent', () => {
    const summary = fold({ id: 'child', parent: 'root', at: 0 }, { id: 'root', at: 1 });
    expect(summary).toMatchObject({ rootMissing: false, rootStep: idOf('root'), executionStatus: 'SUCCEEDED' });
  });

  it('is a step whose parent is in another process, when that never came', () => {
    const summary = fold({ id: 'server', parent: 'caller', remote_parent: true });
    expect(summary).toMatchObject({ rootMissing: false, rootStep: idOf('server') });
  });

  it('is the caller when it came too, even if the clock of the called is early', () => {
    const summary = fold(
      { id: 'server', parent: 'client', remote_parent: true, at: 0 },
      { id: 'client', parent: 'root', at: 2 },
      { id: 'root', at: 1 },
    );
    expect(summary.rootStep).toBe(idOf('root'));
  });

  it('is missing when a local parent never came: aborted, told by the topmost step', () => {
    const summary = fold(
      { id: 'leaf', parent: 'middle', at: 0, service: 'deep' },
      { id: 'middle', parent: 'gone', remote_parent: false, at: 1, service: 'top' },
    );
    expect(summary).toMatchObject({
      rootMissing: true,
      rootStep: idOf('middle'),
      service: 'top',
      executionStatus: 'ABORTED',
      inflection: { reason: 'ABORT', span_id: null },
    });
  });

  it('is no foreign step', () => {
    expect(fold({ id: 'a', parent: 'r', remote_parent: false }, { id: 'r', foreign: true }).rootMissing).toBe(true);
    expect(fold({ id: 'r', foreign: true, service: 'x' })).toMatchObject({ rootMissing: false, service: 'x' });
  });
});

describe('the times of a run', () => {
  it('go from the earliest start to the latest end, by the nanosecond', () => {
    const summary = fold({ id: 'root', at: 2, until: 3 }, { id: 'a', parent: 'root', at: 1, until: 9 });
    expect(summary.startedAt).toBe('2023-11-14T22:13:21.000000Z');
    expect(summary.completedAt).toBe('2023-11-14T22:13:29.000000Z');
    expect(summary.durationUs).toBe(8_000_000);
    expect(fold({ id: 'r', started_ns: '1700000000123456789' }).startedAt).toBe('2023-11-14T22:13:20.123456Z');
  });

  it('leave out what a sender left out', () => {
    const summary = fold(
      { id: 'root', at: 2, until: 5 },
      { id: 'open', parent: 'root', started_ns: '0', ended_ns: '0' },
    );
    expect(summary).toMatchObject({ durationUs: 3_000_000, startedAt: '2023-11-14T22:13:22.000000Z' });
    const unended = fold({ id: 'root', at: 2, ended_ns: '0' });
    expect(unended).toMatchObject({ startedAt: '2023-11-14T22:13:22.000000Z', durationUs: 0 });
    expect(unended.completedAt).toBe(unended.startedAt);
    expect(fold({ id: 'root', started_ns: '0', ended_ns: '0' })).toMatchObject({
      startedAt: '2026-11-25T00:00:00.000000Z',
      completedAt: '2026-11-25T00:00:00.000000Z',
      durationUs: 0,
    });
  });

  it('are held where a leaf can say them', () => {
    const summary = fold({ id: 'root', started_ns: '1', ended_ns: String(2n ** 64n - 1n) });
    expect(summary.durationUs).toBe(Number.MAX_SAFE_INTEGER);
    expect(sealed(summary)).toMatchObject({ started_at: '1970-01-01T00:00:00.000000Z' });
    expect(fold({ id: 'root', at: 9, until: 3 }).durationUs).toBe(0);
  });
});

describe('the turning point of a run', () => {
  it('is the step that failed first, not the steps around it that its failure reached', () => {
    const summary = fold(
      { id: 'root', at: 0, until: 9, status: 'ERROR', error_type: 'AgentError' },
      { id: 'tool', parent: 'root', at: 3, until: 4, status: 'ERROR', error_type: 'ToolError' },
      { id: 'later', parent: 'root', at: 1, until: 6, status: 'ERROR' },
    );
    expect(summary.inflection).toEqual({
      timestamp: '2023-11-14T22:13:24.000000Z',
      reason: 'FAILED_STEP',
      span_id: idOf('tool'),
      step_index: 2,
    });
    expect(summary).toMatchObject({ executionStatus: 'FAILED', hadErrors: true, errorType: 'AgentError' });
  });

  it('is the step where failure began, whichever clock ended first, and not the network below it', () => {
    const summary = fold(
      { id: 'root', until: 5, status: 'ERROR' },
      { id: 'chat', parent: 'root', at: 1, until: 6, status: 'ERROR', step_kind: 'LLM', error_type: 'RateLimitError' },
      { id: 'http', parent: 'chat', at: 1, until: 2, status: 'ERROR', step_kind: 'INFRA', error_type: '429' },
    );
    expect(summary).toMatchObject({ errorType: 'RateLimitError', inflection: { span_id: idOf('chat') } });
    const bare = fold(
      { id: 'root' },
      { id: 'http', parent: 'root', status: 'ERROR', step_kind: 'INFRA', error_type: '500' },
    );
    expect(bare).toMatchObject({ errorType: '500', inflection: { span_id: idOf('http') } });
  });

  it('is a failed step under a root that went well: succeeded, with errors', () => {
    const summary = fold({ id: 'root', until: 9 }, { id: 'tool', parent: 'root', status: 'ERROR', error_type: 'E' });
    expect(summary).toMatchObject({
      executionStatus: 'SUCCEEDED',
      hadErrors: true,
      errorType: 'E',
      inflection: { reason: 'FAILED_STEP', span_id: idOf('tool') },
    });
  });

  it('is the end where nothing failed', () => {
    const summary = fold({ id: 'root', until: 9 });
    expect(summary.inflection).toEqual({
      timestamp: summary.completedAt,
      reason: 'END',
      span_id: null,
      step_index: null,
    });
  });
});

describe('what a run is told by', () => {
  it('takes provider and model from model calls, not from embeddings before them or agents around them', () => {
    const embedding = { id: 'e', parent: 'root', at: 0, step_kind: 'EMBEDDING', provider: 'cohere', model: 'embed' };
    const call = { id: 'c', parent: 'root', at: 1, step_kind: 'LLM', provider: 'openai', model: 'gpt' };
    const root = { id: 'root', step_kind: 'AGENT', provider: 'framework', model: 'other' };
    expect(fold(root, embedding, call)).toMatchObject({ provider: 'openai', model: 'gpt', executorType: 'AGENT' });
    expect(fold({ ...root, step_kind: 'CHAIN' }, embedding)).toMatchObject({ provider: 'cohere', executorType: 'LLM' });
    expect(fold(root)).toMatchObject({ provider: null, model: null });
  });

  it('takes service, agent and conversation from the root, else from the earliest step that says one', () => {
    expect(
      fold(
        { id: 'late', parent: 'root', at: 5, conversation_id: 'late', agent_id: 'b' },
        { id: 'early', parent: 'root', at: 1, conversation_id: 'early', service: 'other' },
        { id: 'root', service: 'mine', at: 2 },
      ),
    ).toMatchObject({ service: 'mine', conversationId: 'early', agentId: 'b' });
  });

  it('fits a RUN leaf however many tools and finish reasons of whatever length there were', () => {
    const long = (name: string, i: number) => `${name}${i}`.padEnd(128, 'x');
    const names = Object.fromEntries(
      [
        'service',
        'instance',
        'environment',
        'release',
        'provider',
        'model',
        'agent_id',
        'conversation_id',
        'correlation_id',
        'error_type',
      ].map((name) => [name, long('n', 0)]),
    );
    const said = Array.from({ length: 4095 }, (_, i) => ({
      id: `s${i}`,
      ...(i === 0 ? {} : { parent: 's0' }),
      ...names,
      step_kind: i % 2 === 0 ? 'TOOL' : 'LLM',
      tool: long('t', i),
      finish_reasons: [long('f', i), long('g', i)],
      policy_ids: [long('p', i)],
      incident_ids: [long('i', i)],
      human_actor_id: `tok_${'0'.repeat(32)}`,
      resource: 'f'.repeat(64),
      status: 'ERROR',
      input_tokens: Number.MAX_SAFE_INTEGER,
      cost_nano_usd: Number.MAX_SAFE_INTEGER,
    }));
    const resumedBy = long('r', 0).padEnd(256, 'x');
    const leaf = sealed({ ...fold(...said), resumedBy }) as {
      tools: string[];
      finish_reasons: string[];
      input_tokens: number;
    };
    expect(leaf.tools).toHaveLength(32);
    expect(leaf.finish_reasons).toHaveLength(16);
    expect(leaf.input_tokens).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('a run of any shape', () => {
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
  const nanos = fc.oneof(fc.constant('0'), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));
  const shape = fc.uniqueArray(
    fc.record(
      {
        id: ids,
        parent: ids,
        remote_parent: fc.boolean(),
        foreign: fc.boolean(),
        step_kind: fc.constantFrom('LLM', 'TOOL', 'AGENT', 'EMBEDDING', 'OTHER'),
        status: fc.constantFrom('UNSET', 'OK', 'ERROR'),
        marks: fc.subarray(['interrupt', 'tripwire', 'denied', 'cancelled', 'timeout', 'failed', 'budget']),
        started_ns: nanos,
        ended_ns: nanos,
        input_tokens: fc.maxSafeNat(),
        output_tokens: fc.maxSafeNat(),
        cost_nano_usd: fc.maxSafeNat(),
        model: fc.constantFrom('m', 'n'),
        scope: fc.constantFrom('s', 't'),
        tool: fc.constantFrom('search', 'send'),
      },
      { requiredKeys: ['id'] },
    ),
    { selector: (s) => s.id, minLength: 1, maxLength: 7 },
  );

  it('seals, cycles and steps that are their own parent included: every step counts, and the leaf is one', () => {
    fc.assert(
      fc.property(shape, (said) => {
        const summary = fold(...(said as Said[]));
        const leaf = sealed(summary);
        expect(leaf.steps).toBe(said.length);
        expect(summary.startedAt <= summary.completedAt).toBe(true);
        expect(summary.durationUs).toBeGreaterThanOrEqual(0);
        expect(leaf.execution_status === 'SUCCEEDED' && leaf.root_missing === true).toBe(false);
        expect(said.some((s) => idOf(s.id) === leaf.root_step)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the order in which its steps arrived, but for the tree', () => {
    fc.assert(
      fc.property(
        shape.chain((said) => fc.tuple(fc.constant(said), fc.shuffledSubarray(said, { minLength: said.length }))),
        ([one, other]) => {
          // Times that differ: what happened at the same time is told in the order of arrival.
          const timed = (said: readonly { id: string }[]) =>
            said.map((s) => ({
              ...s,
              started_ns: String(DAWN + BigInt(s.id.charCodeAt(0))),
              ended_ns: String(DAWN + 500n + BigInt(s.id.charCodeAt(0))),
            }));
          const { tree: _a, range: _b, ...first } = fold(...(timed(one) as Said[]));
          const { tree: _c, range: _d, ...second } = fold(...(timed(other) as Said[]));
          expect(second).toEqual(first);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('costs n log n: 100,000 siblings, a chain of 100,000, and as many in one circle', () => {
    const n = 100_000;
    const usage = { step_kind: 'LLM', input_tokens: 3, output_tokens: 4, model: 'm' };
    const shapes: Said[][] = [
      [
        { id: 'root' },
        ...Array.from({ length: n }, (_, i) => ({ id: `s${i}`, parent: 'root', scope: String(i % 2), ...usage })),
      ],
      [{ id: 's-1' }, ...Array.from({ length: n }, (_, i) => ({ id: `s${i}`, parent: `s${i - 1}`, ...usage }))],
      Array.from({ length: n }, (_, i) => ({ id: `s${i}`, parent: `s${(i + 1) % n}`, ...usage })),
    ];
    for (const said of shapes) expect(sealed(fold(...said)).steps).toBe(said.length);
  });
});

describe('the steps of a trace in one turn', () => {
  it('are grouped by trace; only an own root starts the grace', () => {
    const traceId = new Uint8Array(16).fill(7);
    const at = (said: Said, index: number, recordedAt: string, kind = 'STEP') => {
      const { leafHash } = step(said);
      const leaf = utf8(JSON.stringify({ span_id: said.id, parent_span_id: said.parent, foreign: said.foreign }));
      return { index, kind, leaf, leafHash, traceId, recordedAt };
    };
    const [trace] = sightings([
      at({ id: 'a', parent: 'r' }, 4, 't1'),
      at({ id: 'f', foreign: true }, 5, 't2'),
      at({ id: 'c', parent: 'r' }, 6, 't3', 'CONFLICT'),
    ]).values();
    expect(trace).toMatchObject({ steps: 2, lastIndex: 6, lastSeenAt: 't3', rootSeenAt: null });
    const [rooted] = sightings([at({ id: 'a', parent: 'r' }, 4, 't1'), at({ id: 'r' }, 5, 't2')]).values();
    expect(rooted).toMatchObject({ rootSeenAt: 't2' });
  });
});
