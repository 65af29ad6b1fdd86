import type { AggregateMetadata, AuditItem, RecordMetadata } from '@sworn/contract';
import type { SoundEntry } from './checkEntry.js';
import { checksumOf, originOf, type Spine, systemOf } from './metadata.js';
import type { Covered } from './tier.js';

/** Topic of the entry's log. */
export function topicOf({ stored }: SoundEntry): AuditItem['log'] {
  return stored.log.split('.')[0] as AuditItem['log'];
}

/** Metadata of one entry. `covered`: by the verified checkpoint. */
export function entryMetadata(tenantId: string, entry: SoundEntry, covered: Covered | null): RecordMetadata {
  const { stored } = entry;
  const spine = entrySpine(entry);
  return {
    tenant_id: tenantId,
    run_id: spine.runId,
    human_actor_id: spine.human,
    agent_id: spine.agent,
    system_id: spine.system,
    actor_basis: basisOf(entry),
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    timezone: 'UTC',
    trace_id: spine.traceId,
    correlation_id: spine.correlationId,
    // Only the recorder writes `access`: elsewhere a producer may have such a word.
    export_id: topicOf(entry) === 'access' ? entry.members.text('export_id') : null,
    policy_ids: [...spine.policyIds],
    incident_ids: [...spine.incidentIds],
    ...sourceOf(entry),
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

/** Whose record it is, and of what. */
function sourceOf(entry: SoundEntry): Pick<RecordMetadata, 'source_domain' | 'source_component' | 'origin'> {
  const { members: m } = entry;
  if (topicOf(entry) !== 'audit')
    return {
      source_domain: 'LOGS',
      source_component: 'AccessRecorder',
      origin: m.text('approver') === null ? 'SYSTEM' : 'HUMAN',
    };
  const domain = m.text('category') !== null ? 'POLICY' : m.text('incident_id') !== null ? 'INCIDENTS' : 'ACTIVITY';
  return {
    source_domain: domain,
    source_component: m.text('by') === 'sworn' ? 'AuditLedgerWriter' : `otlp:${m.text('service') ?? 'unknown_service'}`,
    origin: originOf(m),
  };
}

/** Who came without a key was only seen on the wire; whom a producer names, it claims. */
function basisOf(entry: SoundEntry): RecordMetadata['actor_basis'] {
  const topic = topicOf(entry);
  if (topic === 'audit') return 'CLAIMED';
  if (entry.stored.kind === 'LOGIN_FAILED') return 'OBSERVED';
  return topic === 'access' && entry.members.text('credential_id') === null ? 'OBSERVED' : 'AUTHENTICATED';
}

const WEAKEST_FIRST = ['CLAIMED', 'OBSERVED', 'AUTHENTICATED'] as const;

/** What entries of several logs have in common: the weakest of their bases. */
export function aggregateOfEntries(
  entries: readonly SoundEntry[],
): Pick<AggregateMetadata, 'actor_basis' | 'source_domain'> {
  const bases = new Set(entries.map(basisOf));
  return {
    actor_basis: WEAKEST_FIRST.find((basis) => bases.has(basis)) ?? 'AUTHENTICATED',
    source_domain: 'LOGS',
  };
}

/**
 * The spine of an entry. Of Sworn's own a key is a system's, and who held it no record says; a session is a human's. Who approved a recovery is named by his token. Of a
 * producer's record those it names, and the service it comes from.
 */
export function entrySpine(entry: SoundEntry): Spine {
  const { members: m } = entry;
  const isOwn = topicOf(entry) !== 'audit';
  return {
    runId: m.text('run_id'),
    traceId: m.text('trace_id'),
    correlationId: m.text('correlation_id'),
    human: m.text('human_actor_id') ?? (isOwn ? m.text('approver') : null),
    agent: isOwn ? null : m.text('agent_id'),
    system: isOwn ? keyOf(m) : (m.text('system_id') ?? systemOf(m)),
    policyIds: named(m.text('policy_id'), m.texts('policy_ids')),
    incidentIds: named(m.text('incident_id'), m.texts('incident_ids')),
  };
}

/** The credential, where it is no person's. */
function keyOf(m: SoundEntry['members']): string | null {
  return m.text('human_actor_id') === null ? m.text('credential_id') : null;
}

function named(one: string | null, others: readonly string[]): readonly string[] {
  return [...new Set(one === null ? others : [one, ...others])];
}
