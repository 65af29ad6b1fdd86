import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  admittedRuns,
  type Hint,
  hintedRun,
  MAX_RUNS_OF_TRACE,
  MAX_STEPS_PLACED,
  type Member,
  type MemberStep,
  missingRoots,
  ownerOf,
  runsOf,
  stepsOf,
} from '../src/seal/membership.js';

const TRACE = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

type Step = MemberStep & Hint;

function step(spanId: string, parentSpanId: string | null = null, over: Partial<Step> = {}): Step {
  return {
    traceId: TRACE,
    spanId,
    parentSpanId,
    foreign: false,
    runHint: null,
    runAsserted: false,
    service: 'bot',
    ...over,
  };
}

function whole(index: number, runId: string, traceId = TRACE): Member {
  return { index, runId, traceId, whole: true, roots: [] };
}

function carved(index: number, runId: string, ...roots: string[]): Member {
  return { index, runId, traceId: TRACE, whole: false, roots };
}

describe('the run that a step names', () => {
  it('is an asserted id as it is, a vendor’s qualified by its service, and what cannot stand in a path derived', () => {
    const of = (runHint: string | null, over: Partial<Hint> = {}) =>
      hintedRun({ runHint, runAsserted: false, service: 'bot', foreign: false, ...over });
    expect(of(null)).toBe(null);
    expect(of('turn-1')).toBe('bot:turn-1');
    expect(of('turn-1', { runAsserted: true })).toBe('turn-1');
    expect(of('a:b', { runAsserted: true })).toBe('a:b');
    for (const derived of [
      of('a:b'),
      of('turn/1'),
      of('turn-1', { service: null }),
      of('turn-1', { service: 'my bot' }),
      of('x'.repeat(255)),
      of('a b', { runAsserted: true }),
    ])
      expect(derived).toMatch(/^run_[0-9a-f]{32}$/);
    expect(of('turn/1')).toBe(of('turn/1'));
    expect(of('turn/1')).not.toBe(of('turn/1', { service: 'other' }));
    expect(of('turn-1', { foreign: true })).toBe(null);
  });
});

describe('a trace', () => {
  it('is owned by the first run that took it whole, and by its own run while none did', () => {
    expect(ownerOf(TRACE, [])).toBe(TRACE);
    expect(ownerOf(TRACE, [whole(1, TRACE), carved(2, 'x', 's'), whole(3, 'y', OTHER)])).toBe(TRACE);
    expect(ownerOf(TRACE, [whole(9, 'late'), whole(1, TRACE), whole(5, 'early')])).toBe('early');
  });

  it('gives a subtree to the run that carved it, and what is carved out of that to another', () => {
    const steps = [step('root'), step('a', 'root'), step('b', 'a'), step('c', 'b'), step('d', 'root')];
    const members = [whole(0, 'owner'), carved(1, 'x', 'a'), carved(2, 'y', 'c')];
    expect(runsOf(TRACE, members, steps)).toEqual(['owner', 'x', 'x', 'y', 'owner']);
    expect(stepsOf('x', members, steps).map((s) => s.spanId)).toEqual(['a', 'b']);
  });

  it('gives a root that two runs carved to the first of them, however the leaves are read', () => {
    const members = [carved(5, 'late', 'a'), carved(2, 'early', 'a'), whole(0, 'owner')];
    expect(runsOf(TRACE, members, [step('a')])).toEqual(['early']);
  });

  it('has a bounded number of runs: what comes beyond them changes nothing', () => {
    const members = Array.from({ length: MAX_RUNS_OF_TRACE + 3 }, (_, i) => carved(i, `r${i}`, `s${i}`));
    const steps = members.map((_, i) => step(`s${i}`));
    expect(admittedRuns(TRACE, members).size).toBe(MAX_RUNS_OF_TRACE + 1);
    expect(runsOf(TRACE, members, steps).slice(-4)).toEqual(['r63', TRACE, TRACE, TRACE]);
  });

  it('is moved by no foreign step, which hangs itself where it says', () => {
    const steps = [
      step('root'),
      step('x', 'root', { foreign: true }),
      step('own', 'x'),
      step('y', 'x', { foreign: true }),
    ];
    expect(runsOf(TRACE, [carved(1, 'run', 'root')], steps)).toEqual(['run', 'run', TRACE, 'run']);
  });

  it('of any length is divided: a chain and a fan of many steps, and what lies beyond the bound is the owner’s', () => {
    const length = MAX_STEPS_PLACED + 10;
    const chain = Array.from({ length }, (_, i) => step(`s${i}`, i === 0 ? null : `s${i - 1}`));
    const runs = runsOf(TRACE, [whole(0, 'owner'), carved(1, 'x', 's10')], chain);
    expect([runs[9], runs[10], runs[MAX_STEPS_PLACED - 1], runs[MAX_STEPS_PLACED]]).toEqual([
      'owner',
      'x',
      'x',
      'owner',
    ]);
    const up = chain.toReversed().slice(10);
    expect(new Set(runsOf(TRACE, [carved(1, 'x', 's0')], up))).toEqual(new Set(['x']));
    const fan = chain.map((s, i) => (i === 0 ? s : { ...s, parentSpanId: 's0' }));
    expect(new Set(runsOf(TRACE, [carved(1, 'x', 's0')], fan.slice(0, MAX_STEPS_PLACED)))).toEqual(new Set(['x']));
  });
});

describe('any trace and any MEMBER leaves', () => {
  const id: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
  const run = fc.constantFrom('bot:1', 'bot:2', 'bot:3', TRACE);
  const traceId = fc.constantFrom(TRACE, OTHER);
  const anyStep = fc
    .record({
      traceId,
      id,
      parent: fc.option(id, { nil: null }),
      foreign: fc.boolean(),
      hint: fc.option(fc.constantFrom('1', '2', '3'), { nil: null }),
    })
    .map((s) => step(s.id, s.parent, { traceId: s.traceId, foreign: s.foreign, runHint: s.hint }));
  const anySteps = fc.uniqueArray(anyStep, { selector: (s) => s.traceId + s.spanId, maxLength: 16 });
  const anyMembers = fc
    .uniqueArray(
      fc.record({ index: fc.nat(40), runId: run, traceId, whole: fc.boolean(), roots: fc.array(id, { maxLength: 3 }) }),
      { selector: (m) => m.index, maxLength: 6 },
    )
    .map((members) => members.map((m) => ({ ...m, roots: m.whole ? [] : m.roots })));

  it('give every step to exactly one run', () => {
    fc.assert(
      fc.property(anySteps, anyMembers, (steps, members) => {
        const all = new Set([TRACE, OTHER, ...members.map((m) => m.runId)]);
        const given = [...all].flatMap((runId) => stepsOf(runId, members, steps));
        expect(given).toHaveLength(steps.length);
        expect(new Set(given)).toEqual(new Set(steps));
      }),
      { numRuns: 500 },
    );
  });

  it('give it what a walk up from it finds, where no cycle is', () => {
    fc.assert(
      fc.property(anySteps, anyMembers, (drawn, members) => {
        // A parent is an earlier letter, so that there is no cycle.
        const steps = drawn.map((s) =>
          s.parentSpanId !== null && s.parentSpanId >= s.spanId ? { ...s, parentSpanId: null } : s,
        );
        for (const s of steps) {
          const expected = walk(s, steps, members);
          expect(stepsOf(expected, members, steps)).toContain(s);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lack some roots at most once: with them, every step that names an admitted run is in it, and nothing is lacking', () => {
    fc.assert(
      fc.property(anySteps, anyMembers, (drawn, members) => {
        const steps = drawn.filter((s) => s.traceId === TRACE);
        const lacking = missingRoots(TRACE, members, steps);
        const more = [...lacking].map(([runId, roots], i) => carvedAs(100 + i, runId, roots));
        const after = [...members, ...more];
        expect(missingRoots(TRACE, after, steps)).toEqual(new Map());
        const admitted = admittedRuns(TRACE, members);
        const taken = new Set(members.filter((m) => m.traceId === TRACE).flatMap((m) => m.roots));
        const runs = runsOf(TRACE, after, steps);
        for (const [at, s] of steps.entries()) {
          const named = hintedRun(s);
          // What another run had carved before it came to be named stays where it is.
          if (named !== null && admitted.has(named) && !taken.has(s.spanId)) expect(runs[at]).toBe(named);
        }
      }),
      { numRuns: 500 },
    );
  });

  function carvedAs(index: number, runId: string, roots: readonly string[]): Member {
    return { index, runId, traceId: TRACE, whole: false, roots };
  }

  function walk(from: Step, steps: readonly Step[], members: readonly Member[]): string {
    const mine = members.filter((m) => m.traceId === from.traceId).sort((a, b) => a.index - b.index);
    for (let at: Step | undefined = from; at !== undefined; ) {
      const { spanId, parentSpanId, foreign }: Step = at;
      const root = mine.find((m) => m.roots.some((r) => r === spanId));
      if (root !== undefined) return root.runId;
      at = steps.find((s) => s.traceId === from.traceId && s.spanId === parentSpanId && (foreign || !s.foreign));
    }
    return mine.find((m) => m.whole && m.runId !== m.traceId)?.runId ?? from.traceId;
  }
});
