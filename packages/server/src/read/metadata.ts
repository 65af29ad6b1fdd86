import type { AggregateMetadata, RecordMetadata } from '@sworn/contract';
import { hex, type Members, treeHash } from '@sworn/evidence';
import type { StoredLeaf } from '../store/runs.js';
import type { Pin } from './reading.js';
import type { Covered } from './tier.js';

/** `sha256:` and the hex of a leaf or tree hash. */
export function checksumOf(hash: Uint8Array): string {
  return `sha256:${hex(hash)}`;
}

/** Metadata of one run, as its OPENED or RUN leaf says it. `covered`: by the verified checkpoint; null: by none yet. */
export function runMetadata(tenantId: string, stored: StoredLeaf, m: Members, covered: Covered | null): RecordMetadata {
  const human = m.text('human_actor_id');
  const agent = m.text('agent_id');
  return {
    tenant_id: tenantId,
    run_id: m.text('run_id'),
    human_actor_id: human,
    agent_id: agent,
    system_id: systemOf(m),
    actor_basis: 'CLAIMED',
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    timezone: 'UTC',
    trace_id: m.text('trace_id'),
    correlation_id: m.text('correlation_id'),
    export_id: null,
    policy_ids: [...m.texts('policy_ids')],
    incident_ids: [...m.texts('incident_ids')],
    source_domain: 'ACTIVITY',
    source_component: 'TraceStore',
    origin: originOf(m),
    checksum: checksumOf(stored.leafHash),
    immutable: covered !== null,
    integrity: {
      log: stored.log,
      leaf_index: stored.index,
      state: covered === null ? 'DURABLE' : 'COVERED',
      covered_at: covered?.at ?? null,
      tier: covered?.tier ?? 'SELF_ATTESTED',
    },
  };
}

/** What an aggregate asks of an item: its leaf, and its spine where it has one. */
export interface AggregatedItem {
  readonly log: string;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly occurredAt: string;
  readonly recordedAt: string;
  /** By a verified checkpoint; null: none does. */
  readonly covered: Covered | null;
  readonly spine: Spine;
}

/** Values that may bind an item to other records. */
export interface Spine {
  readonly runId: string | null;
  readonly traceId: string | null;
  readonly correlationId: string | null;
  readonly human: string | null;
  readonly agent: string | null;
  readonly system: string | null;
  readonly policyIds: readonly string[];
  readonly incidentIds: readonly string[];
}

/** What an aggregate is made of. */
export interface Aggregated {
  readonly tenantId: string;
  readonly items: readonly AggregatedItem[];
  readonly pins: readonly Pin[];
  /** Times of an empty answer: the log's newest record at the pin, else the tenant's creation. */
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
  /** False: an item of the page failed its check. */
  readonly sound: boolean;
}

const MAX_IDS = 100;

/** Metadata of an answer about many records (CONTRACT.md §2, "Aggregates"). Nothing in it is the time of the request. */
export function aggregateMetadata({ tenantId, items, pins, whenEmpty, sound }: Aggregated): AggregateMetadata {
  const inLogOrder = items.toSorted((a, b) => (a.log < b.log ? -1 : a.log > b.log ? 1 : a.index - b.index));
  const covered = items.length > 0 && items.every((item) => item.covered !== null);
  const isHeld = covered && items.every((item) => item.covered?.tier === 'EXTERNALLY_HELD');
  const spines = items.map((item) => item.spine);
  return {
    tenant_id: tenantId,
    run_id: shared(spines, (s) => s.runId),
    human_actor_id: shared(spines, (s) => s.human),
    agent_id: shared(spines, (s) => s.agent),
    system_id: shared(spines, (s) => s.system),
    actor_basis: 'CLAIMED',
    occurred_at: newest(items.map((item) => item.occurredAt)) ?? whenEmpty.occurredAt,
    recorded_at: newest(items.map((item) => item.recordedAt)) ?? whenEmpty.recordedAt,
    timezone: 'UTC',
    trace_id: shared(spines, (s) => s.traceId),
    correlation_id: shared(spines, (s) => s.correlationId),
    export_id: null,
    policy_ids: union(spines.map((s) => s.policyIds)),
    incident_ids: union(spines.map((s) => s.incidentIds)),
    source_domain: 'ACTIVITY',
    source_component: 'LogsFacade',
    origin: 'SYSTEM',
    checksum: checksumOf(treeHash(inLogOrder.map((item) => item.leafHash))),
    immutable: covered && sound,
    integrity: {
      logs: pins.map(({ log, size }) => ({ log, size })),
      state: covered ? 'COVERED' : 'DURABLE',
      covered_at: covered ? newest(items.map((item) => item.covered?.at ?? '')) : null,
      tier: isHeld ? 'EXTERNALLY_HELD' : 'SELF_ATTESTED',
    },
  };
}

/** The spine of a run. */
export function runSpine(m: Members): Spine {
  return {
    runId: m.text('run_id'),
    traceId: m.text('trace_id'),
    correlationId: m.text('correlation_id'),
    human: m.text('human_actor_id'),
    agent: m.text('agent_id'),
    system: systemOf(m),
    policyIds: m.texts('policy_ids'),
    incidentIds: m.texts('incident_ids'),
  };
}

/** The service, and of a known instance which one. */
export function systemOf(m: Members): string | null {
  const [service, instance] = [m.text('service'), m.text('instance')];
  return service === null || instance === null ? service : `${service}/${instance}`;
}

/** As whoever may assert it says; else by who caused it. */
export function originOf(m: Members): RecordMetadata['origin'] {
  const asserted = m.text('origin') as RecordMetadata['origin'] | null;
  return asserted ?? (m.text('human_actor_id') !== null ? 'HUMAN' : m.text('agent_id') !== null ? 'AGENT' : 'SYSTEM');
}

/** The value all items share, else null. */
function shared(spines: readonly Spine[], read: (spine: Spine) => string | null): string | null {
  const [first] = spines;
  if (first === undefined) return null;
  const value = read(first);
  return spines.every((spine) => read(spine) === value) ? value : null;
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].slice(0, MAX_IDS);
}

/** The latest of times that are written alike. */
function newest(times: readonly string[]): string | null {
  return times.reduce<string | null>((latest, time) => (latest === null || time > latest ? time : latest), null);
}
