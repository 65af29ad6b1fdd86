import { type KindStep, stepKinds } from '@sworn/evidence';
import { describe, expect, test } from 'vitest';

let clock = 0n;
const step = (spanId: string, parentSpanId: string | null, more: Partial<KindStep>): KindStep => ({
  traceId: 't',
  spanId,
  parentSpanId,
  kind: 'CHAIN',
  startedNs: clock++,
  agentId: null,
  parentAgentId: null,
  ...more,
});
const agent = (spanId: string, parent: string | null, agentId: string, more: Partial<KindStep> = {}) =>
  step(spanId, parent, { kind: 'AGENT', agentId, ...more });

describe('a step is shown as a hand-over', () => {
  test('when it is an agent under another agent, whatever lies between', () => {
    const steps = [agent('a', null, 'triage'), step('b', 'a', {}), agent('c', 'b', 'expert')];
    expect(stepKinds(steps)).toEqual(['AGENT', 'CHAIN', 'HANDOFF']);
  });

  test('when it names another agent as the one before it', () => {
    const steps = [
      step('r', null, {}),
      agent('a', 'r', 'triage'),
      agent('b', 'r', 'expert', { parentAgentId: 'triage' }),
    ];
    expect(stepKinds(steps)).toEqual(['CHAIN', 'AGENT', 'HANDOFF']);
  });

  test('but not twice: a tool that handed over tells of it already', () => {
    const steps = [
      agent('a', null, 'triage'),
      step('h', 'a', { kind: 'HANDOFF' }),
      agent('b', 'a', 'expert', { parentAgentId: 'triage' }),
      agent('c', 'b', 'clerk'),
    ];
    expect(stepKinds(steps)).toEqual(['AGENT', 'HANDOFF', 'AGENT', 'HANDOFF']);
  });

  test('and not when the agent is the same, or one of them has no name', () => {
    const steps = [agent('a', null, 'triage'), agent('b', 'a', 'triage'), step('c', 'b', { kind: 'AGENT' })];
    expect(stepKinds(steps)).toEqual(['AGENT', 'AGENT', 'AGENT']);
  });

  test('whatever is claimed about parents: cycles, and chains of 100,000', () => {
    const size = 100_000;
    const ring = Array.from({ length: size }, (_, i) => agent(`s${i}`, `s${(i + 1) % size}`, `a${i % 2}`));
    expect(stepKinds(ring).filter((kind) => kind === 'HANDOFF').length).toBe(size - 1);
  });
});
