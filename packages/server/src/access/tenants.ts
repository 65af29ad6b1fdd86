import { randomUUID } from 'node:crypto';
import { EMPTY_ROOT } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { inTenant, outsideTenants } from '../store/database.js';
import { insertTenant, readTenants, setTenantControl, type TenantRow } from '../store/tenant.js';
import { tenantFields } from './directory.js';
import { type DirectoryDeps, indexOf, timestamp } from './keys.js';

/** What a new tenant should be. */
export interface TenantRequest {
  /** A label for people, at most 128 characters; stands in no leaf. */
  readonly name: string;
  /** Evidence of a synthetic tenant is made up, says so, and lives 7 days. */
  readonly synthetic?: boolean;
  /** The platform's own tenant is made once, under the id the deployment names. */
  readonly platformId?: string;
}

/** Tenants of the deployment. */
export interface Tenants {
  /** Returns the id. Harmless to repeat for the platform, whose id is given. @throws RangeError for a name out of bounds. */
  create(request: TenantRequest): Promise<string>;
  list(): Promise<readonly TenantRow[]>;
}

/** What tenants need beside what keys need. */
export interface TenantsDeps extends DirectoryDeps {
  /** Makes the tenant's keys in the key store; harmless when they exist. Returns the `control` leaves that say which they are. */
  readonly createTenantKeys: (tenantId: string) => Promise<readonly LeafDraft[]>;
}

export function createTenants(deps: TenantsDeps): Tenants {
  const { db, append, openOriginOf, now } = deps;
  return {
    async create(request) {
      const name = request.name.trim();
      if (name === '' || name.length > 128) throw new RangeError('the name of a tenant has 1 to 128 characters');
      const tenantId = request.platformId ?? randomUUID();
      const tenant = {
        tenantId,
        name,
        synthetic: request.synthetic ?? false,
        platform: request.platformId !== undefined,
      };
      const keyLeaves = await deps.createTenantKeys(tenantId);
      await inTenant(db, 'recorder', tenantId, (tx) => insertTenant(tx, tenant, EMPTY_ROOT));
      const [appended] = await append(tenantId, [
        ownLeaf({
          topic: 'control',
          origin: openOriginOf(tenantId, 'control'),
          kind: 'TENANT_CREATED',
          identity: [tenantId],
          occurredAt: timestamp(now()),
          fields: tenantFields(tenant),
          vouchedBy: deps.directoryKey,
          projection: { table: 'control_records', kind: 'TENANT_CREATED', subject: tenantId },
        }),
        ...keyLeaves,
      ]);
      const controlIndex = indexOf(appended);
      await inTenant(db, 'recorder', tenantId, (tx) => setTenantControl(tx, tenantId, controlIndex));
      return tenantId;
    },
    list: () => outsideTenants(db, 'recorder', readTenants),
  };
}
