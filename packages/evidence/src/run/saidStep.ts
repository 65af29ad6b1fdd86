import type { Members } from './members.js';
import { milliseconds, money, timeOf } from './quantity.js';

/** ERROR, or failed by the vendor's own word; a pause for a human's decision arrives as ERROR and is none. */
export function hasFailed({ status, marks }: { readonly status: string; readonly marks: readonly string[] }): boolean {
  return (status === 'ERROR' || marks.includes('failed')) && !marks.includes('interrupt');
}

/** What a STEP leaf says, by the names of CONTRACT.md §3, endpoint 3. Name, content and error text stand in its body; its place depends on the steps around it. */
export function saidStep(m: Members) {
  const status = statusOf(m);
  const [reported, priced] = [m.count('cost_nano_usd'), m.count('priced_nano_usd')];
  const cost = reported ?? priced;
  const ended = BigInt(m.text('ended_ns') ?? '0');
  return {
    trace_id: m.text('trace_id') ?? '',
    span_id: m.text('span_id') ?? '',
    parent_span_id: m.text('parent_span_id'),
    status,
    outcome_category: hasFailed({ status, marks: m.texts('marks') }) ? ('FAILURE' as const) : ('SUCCESS' as const),
    started_at: timeOf(BigInt(m.text('started_ns') ?? '0')),
    ended_at: ended === 0n ? null : timeOf(ended),
    duration_ms: milliseconds(m.count('duration_us')),
    provider: m.text('provider'),
    model: m.text('model') ?? m.text('request_model'),
    tool: m.text('tool'),
    input_tokens: m.count('input_tokens'),
    output_tokens: m.count('output_tokens'),
    cached_tokens: m.count('cached_tokens'),
    reasoning_tokens: m.count('reasoning_tokens'),
    cost_usd: money(cost),
    cost_source: cost === null ? ('UNKNOWN' as const) : reported === null ? ('PRICED' as const) : ('REPORTED' as const),
    retry_count: m.count('retry_count'),
    foreign: m.flag('foreign') ?? false,
    redactions: m
      .objects('redacted')
      .map((r) => ({ rule: r.text('rule') ?? '', path: r.text('path') ?? '', size_class: r.count('n') ?? 0 })),
  };
}

/** The status of its span; what is no status is none. */
export function statusOf(m: Members): 'UNSET' | 'OK' | 'ERROR' {
  const status = m.text('status');
  return status === 'OK' || status === 'ERROR' ? status : 'UNSET';
}
