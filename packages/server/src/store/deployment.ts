import { type Database, outsideTenants } from './database.js';
import { sql } from './sql.js';

/** Who this database belongs to. */
export interface DeploymentRow {
  readonly id: string;
  /** Tenant of what belongs to no customer: refusals of unknown callers, Sworn's own life. */
  readonly platformTenant: string;
}

/** Any constant will do that other users of advisory locks in the same database do not take: "sworndep" as bytes. */
const LOCK_KEY = '8320241373859308912';

/** The one deployment of this database; enters `proposed` when there is none yet. Two processes that start at once get the same answer. */
export async function settleDeployment(db: Database, proposed: DeploymentRow): Promise<DeploymentRow> {
  return outsideTenants(db, 'recorder', async (tx) => {
    await tx.query(sql`select pg_catalog.pg_advisory_xact_lock(${LOCK_KEY}::bigint)`);
    await tx.query(sql`
      insert into sworn.deployment (id, platform_tenant, created_at)
      select ${proposed.id}, ${proposed.platformTenant}::uuid, clock_timestamp()
       where not exists (select from sworn.deployment)`);
    const rows = await tx.query<DeploymentRow>(
      sql`select id, platform_tenant as "platformTenant" from sworn.deployment`,
    );
    const [row] = rows;
    if (row === undefined || rows.length > 1) throw new Error('the database does not name exactly one deployment');
    return row;
  });
}
