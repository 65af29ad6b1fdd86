import { randomUUID } from 'node:crypto';
import { ownLeaf } from '../record/ownLeaf.js';
import { countLivingKeys } from '../store/apiKey.js';
import { inTenant, type Tx } from '../store/database.js';
import { readIngested } from '../store/ingestDay.js';
import { countOpenRuns } from '../store/openRuns.js';
import { present } from './accessRecord.js';
import { type DirectoryDeps, timestamp } from './keys.js';
import { type Quotas, readQuotas, utcDay } from './quotas.js';

/** What it uses: of today, and now. */
type Used = { readonly [Quota in keyof Quotas]: number };

/** What the tenants of a deployment may use, and do. */
export interface TenantQuotas {
  read(tenantId: string): Promise<{ readonly quotas: Quotas; readonly used: Used }>;
  /**
   * Says anew what is named and leaves the rest; every process heeds it within seconds. `id`: of the QUOTA_SET leaf.
   * @throws RangeError for what is no whole number from 0 on
   */
  change(tenantId: string, change: Partial<Quotas>): Promise<{ readonly id: string; readonly quotas: Quotas }>;
}

/** They stand in `control` alone: the newest QUOTA_SET that we wrote counts, and who owns the database cannot write one. */
export function createTenantQuotas(deps: Omit<DirectoryDeps, 'pepper'>): TenantQuotas {
  const { db, append, openOriginOf, now } = deps;
  const asReader = <T>(tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> =>
    inTenant(db, 'reader', tenantId, work, { readOnly: true });
  return {
    read: (tenantId) =>
      asReader(tenantId, async (tx) => ({
        quotas: await readQuotas(deps, tx, tenantId),
        used: {
          bytesADay: await readIngested(tx, tenantId, utcDay(now())),
          openRuns: await countOpenRuns(tx, tenantId),
          keys: await countLivingKeys(tx, tenantId, timestamp(now())),
        },
      })),
    async change(tenantId, change) {
      for (const most of Object.values(change)) {
        if (most !== null && !(Number.isSafeInteger(most) && most >= 0))
          throw new RangeError('a quota is a whole number from 0 on');
      }
      const quotas = { ...(await asReader(tenantId, (tx) => readQuotas(deps, tx, tenantId))), ...change };
      const id = randomUUID();
      await append(tenantId, [
        ownLeaf({
          topic: 'control',
          origin: openOriginOf(tenantId, 'control'),
          kind: 'QUOTA_SET',
          identity: [id],
          occurredAt: timestamp(now()),
          fields: {
            tenant_id: tenantId,
            ...present({ bytes_a_day: quotas.bytesADay, open_runs: quotas.openRuns, keys: quotas.keys }),
          },
          vouchedBy: deps.directoryKey,
          projection: { table: 'control_records', kind: 'QUOTA_SET', subject: tenantId },
        }),
      ]);
      return { id, quotas };
    },
  };
}
