import type { Topic } from '@sworn/evidence';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A row of the directory. No evidence: it counts only if its TENANT_CREATED leaf says the same. */
export interface TenantRow {
  readonly tenantId: string;
  /** A label for people; stands in no leaf and no origin. */
  readonly name: string;
  readonly synthetic: boolean;
  readonly platform: boolean;
  readonly createdAt: string;
}

/** A `control` leaf of the tenant, as the directory is held against it. */
export interface ControlLeaf {
  readonly log: string;
  readonly index: number;
  /** Leaves of its log, as the head has it. */
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

const TOPICS: readonly Topic[] = ['llm-runs', 'system', 'audit', 'access', 'control'];

/** Enters a tenant and the heads of its five empty logs. Primary keys; a tenant that is there already stays as it is. */
export async function insertTenant(tx: Tx, tenant: Omit<TenantRow, 'createdAt'>, emptyRoot: Uint8Array): Promise<void> {
  await tx.query(sql`
    insert into sworn.tenant (tenant_id, name, synthetic, platform, created_at, control_index)
    values (${tenant.tenantId}::uuid, ${tenant.name}, ${tenant.synthetic}, ${tenant.platform}, clock_timestamp(), null)
        on conflict do nothing`);
  await tx.query(sql`
    insert into sworn.log_head (tenant_id, topic, log, generation, next_index, frontier, root, last_recorded_at)
    select ${tenant.tenantId}::uuid, topic, topic, 1, 0, ''::bytea, ${emptyRoot}, null
      from unnest(${[...TOPICS]}::text[]) as t(topic)
        on conflict do nothing`);
}

/** Notes where the TENANT_CREATED leaf stands. */
export async function setTenantControl(tx: Tx, tenantId: string, controlIndex: number): Promise<void> {
  await tx.query(sql`update sworn.tenant set control_index = ${controlIndex} where tenant_id = ${tenantId}::uuid`);
}

/** One tenant, or null. Primary key. */
export async function readTenant(tx: Tx, tenantId: string): Promise<TenantRow | null> {
  const [row] = await tx.query<TenantRow>(sql`
    select tenant_id as "tenantId", name, synthetic, platform, created_at as "createdAt"
      from sworn.tenant where tenant_id = ${tenantId}::uuid`);
  return row ?? null;
}

/** All tenants, oldest first: for a role that goes round them, in a transaction that sees no tenant. */
export async function readTenants(tx: Tx): Promise<TenantRow[]> {
  return tx.query<TenantRow>(sql`
    select tenant_id as "tenantId", name, synthetic, platform,
           least(greatest(created_at, '1970-01-01'::timestamptz), '9999-01-01'::timestamptz) as "createdAt"
      from sworn.tenant order by created_at, tenant_id`);
}

/** The `control` leaf with this event key, whatever the log's generation. Unique index (tenant_id, log, event_key). */
export async function readControlLeaf(tx: Tx, tenantId: string, eventKey: Uint8Array): Promise<ControlLeaf | null> {
  const [row] = await tx.query<ControlLeaf>(sql`
    select l.log, l.leaf_index as index, h.next_index as size, l.leaf, l.leaf_hash as "leafHash"
      from sworn.log_head h
      join sworn.leaf l on l.tenant_id = h.tenant_id and l.log = h.log
     where h.tenant_id = ${tenantId}::uuid and h.topic = 'control' and l.tenant_id = ${tenantId}::uuid and l.event_key = ${eventKey}
     order by h.generation desc limit 1`);
  return row ?? null;
}
