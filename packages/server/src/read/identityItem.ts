import type { Members } from '@sworn/evidence';
import type { IdentityItem } from '@sworn/contract';
import type { KeyTopic } from '../access/keyBounds.js';
import type { Payloads } from '../access/rules.js';
import { actorOf, entityOf, firstOf, type ShowEntry } from './auditItem.js';
import { entryMetadata, topicOf } from './entryMetadata.js';
import { idOf } from './runItem.js';

/** What a key may, as its leaf says. */
function keyOf(m: Members): IdentityItem['key'] {
  const topics = m.texts('topics');
  return {
    role: m.text('role') as NonNullable<IdentityItem['key']>['role'],
    expires_at: m.text('expires_at') ?? '',
    topics: topics.length === 0 ? null : (topics as KeyTopic[]),
    occurred_from: m.text('occurred_from'),
    occurred_before: m.text('occurred_before'),
    payloads: m.text('payloads') as Payloads | null,
    scopes: [...m.texts('scopes')],
    services: [...m.texts('services')],
  };
}

/** By what somebody signed in: as a producer says, or as Sworn took it. Where its own leaf names none it is a key. */
export function methodOf(topic: string, m: Members): string | null {
  return m.text('method') ?? (topic === 'audit' ? null : 'API_KEY');
}

/** A record of a sign-in, or of what was done to a credential. */
export const identityItem: ShowEntry<IdentityItem> = (tenantId, entry, covered) => {
  const { stored, members: m } = entry;
  const topic = topicOf(entry);
  return {
    id: idOf(stored),
    log: topic,
    event_type: (topic === 'audit' ? m.text('event_type') : stored.kind) as IdentityItem['event_type'],
    ...actorOf(entry),
    ...entityOf(entry),
    method: methodOf(topic, m),
    identity_provider: m.text('identity_provider'),
    source: m.text('source'),
    session: m.text('session'),
    decision: m.text('decision') as IdentityItem['decision'],
    use: m.text('use') as IdentityItem['use'],
    reported_by: m.text('reported_by') as IdentityItem['reported_by'],
    key: stored.kind === 'KEY_CREATED' ? keyOf(m) : null,
    key_id: topic === 'audit' ? m.text('key') : null,
    service: m.text('service'),
    conflict_of: firstOf(entry),
    metadata: entryMetadata(tenantId, entry, covered),
  };
};
