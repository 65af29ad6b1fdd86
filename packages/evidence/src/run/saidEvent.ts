import type { Members } from './members.js';

/** What a leaf of `audit` says of a rule that touched a run, by the names of CONTRACT.md §3, endpoint 4. Reason and content stand in its body. */
export function saidEvent(m: Members) {
  return {
    timestamp: m.text('occurred_at') ?? '',
    category: m.text('category'),
    event_type: m.text('event_type') ?? m.text('kind') ?? '',
    event_name: m.text('event_name'),
    policy_id: m.text('policy_id'),
    policy_version: m.text('policy_version'),
    rule_id: m.text('rule_id'),
    incident_id: m.text('incident_id'),
    decision: m.text('decision') ?? 'NONE',
    enforced: m.text('enforced'),
    enforced_by: m.text('enforced_by'),
    observed: m.text('observed'),
    threshold: m.text('threshold'),
    unit: m.text('unit'),
    trace_id: m.text('trace_id'),
    span_id: m.text('span_id'),
    tool: m.text('tool'),
    call_id: m.text('call_id'),
    ...deciderOf(m),
    reported_by: m.text('reported_by') ?? 'CLIENT',
    rule: m.text('rule'),
    rule_version: m.count('rule_version'),
    foreign: m.flag('foreign') ?? false,
    events_left_out: m.count('events_left_out') ?? 0,
  };
}

/** Who decided, where a rule read who; who acted, in an event that says it itself. */
function deciderOf(m: Members): { readonly actor_type: string | null; readonly actor_id: string | null } {
  const human = m.text('human_actor_id');
  if (m.text('rule') !== null) {
    const decider = m.text('decided_by');
    return { actor_type: decider, actor_id: decider === 'HUMAN' ? human : null };
  }
  const [agent, system] = [m.text('agent_id'), m.text('system_id')];
  return {
    actor_type: human !== null ? 'HUMAN' : agent !== null ? 'AGENT' : system !== null ? 'SYSTEM' : null,
    actor_id: human ?? agent ?? system,
  };
}
