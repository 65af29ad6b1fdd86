import type { Topic } from '@sworn/evidence';
import { type Keys, timestamp } from './access/keys.js';
import type { TenantQuotas } from './access/tenantQuotas.js';
import type { Tenants } from './access/tenants.js';
import type { LeafDraft } from './record/draft.js';
import { LIFE_EVENTS, type LifeEvent, type LifeKind, OWN_COMPONENT } from './record/lifeEvents.js';
import { ownLeaf } from './record/ownLeaf.js';
import type { Sequencer } from './record/sequencer.js';
import { systemCells } from './store/eventRows.js';

/** Records Sworn's own life in the platform tenant's `system`. */
export interface Life {
  /** Resolves when it is durable. @throws NotSequenced */
  tell(events: readonly LifeEvent[]): Promise<void>;
}

export function createLife({
  recorder,
  platformTenant,
  openOriginOf,
  now,
}: {
  readonly recorder: Pick<Sequencer, 'append'>;
  readonly platformTenant: string;
  /** Origin of the tenant's open log of a topic, generation included. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}): Life {
  return {
    async tell(events) {
      const origin = openOriginOf(platformTenant, 'system');
      const occurredAt = timestamp(now());
      await recorder.append(
        platformTenant,
        events.map((event) => lifeLeaf(event, origin, occurredAt)),
      );
    },
  };
}

/** The leaf of one event, for a log of topic `system`. */
export function lifeLeaf({ name, identity, fields }: LifeEvent, origin: string, occurredAt: string): LeafDraft {
  const { kind, severity, shared, eventType }: LifeKind = LIFE_EVENTS[name];
  const members = {
    event_name: name,
    ...(eventType !== undefined && { event_type: eventType }),
    severity,
    component: OWN_COMPONENT,
    ...(shared && { shared: true }),
    ...fields,
  };
  return ownLeaf({
    topic: 'system',
    origin,
    kind,
    identity: [name, ...identity],
    occurredAt,
    fields: members,
    projection: { table: 'system_records', cells: systemCells({ kind, occurredAt, members }, null) },
  });
}

/** Keys, whose coming and going is told. The tenant's own `control` says which; this says that it happened. */
export function tellingKeys(keys: Keys, life: Life): Keys {
  return {
    ...keys,
    async issue(request) {
      const issued = await keys.issue(request);
      await life.tell([{ name: 'sworn.key.created', identity: [issued.keyId] }]);
      return issued;
    },
    async revoke(tenantId, keyId) {
      const revoked = await keys.revoke(tenantId, keyId);
      if (revoked) await life.tell([{ name: 'sworn.key.revoked', identity: [keyId] }]);
      return revoked;
    },
  };
}

/** Quotas, whose change is told. The tenant's own `control` says to what. */
export function tellingQuotas(quotas: TenantQuotas, life: Life): TenantQuotas {
  return {
    ...quotas,
    async change(tenantId, change) {
      const changed = await quotas.change(tenantId, change);
      await life.tell([{ name: 'sworn.tenant.quota_set', identity: [changed.id] }]);
      return changed;
    },
  };
}

/** Tenants, whose creation is told; but for the platform's own. */
export function tellingTenants(tenants: Tenants, life: Life): Tenants {
  return {
    ...tenants,
    async create(request) {
      const tenantId = await tenants.create(request);
      if (request.platformId === undefined) await life.tell([{ name: 'sworn.tenant.created', identity: [tenantId] }]);
      return tenantId;
    },
  };
}
