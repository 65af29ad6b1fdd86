import { type Database, inTenant } from '../store/database.js';
import { readNewestCovered } from '../store/checkpointRead.js';

/** What telling the latest time needs. */
export interface LatestTimeDeps {
  readonly db: Database;
  readonly platformTenant: string;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly now: () => number;
  /** When this build was made, milliseconds since 1970. */
  readonly builtAt: number;
}

/** Milliseconds that what the database says is believed: it only ever goes up. */
const BELIEVED_MS = 60_000;
/** Tenants remembered, about 100 bytes each. */
const TENANTS_HELD = 10_000;

/**
 * The latest of this machine's clock, the build's time, and the newest record under a checkpoint, of the tenant or of Sworn itself: a clock that is set
 * back makes nothing valid again.
 */
export function createLatestTime(deps: LatestTimeDeps): (tenantId: string | null) => Promise<number> {
  const { db, platformTenant, now, builtAt } = deps;
  const held = new Map<string, { readonly askedAt: number; readonly covered: number }>();

  async function covered(tenantId: string): Promise<number> {
    const known = held.get(tenantId);
    const age = now() - (known?.askedAt ?? 0);
    if (known !== undefined && age >= 0 && age < BELIEVED_MS) return known.covered;
    const askedAt = now();
    const newest = await inTenant(db, 'reader', tenantId, (tx) => readNewestCovered(tx, tenantId), { readOnly: true });
    const latest = Math.max(known?.covered ?? 0, newest === null ? 0 : Date.parse(newest));
    if (held.size >= TENANTS_HELD) held.clear();
    held.set(tenantId, { askedAt, covered: latest });
    return latest;
  }

  return async (tenantId) => {
    const tenants = tenantId === null ? [platformTenant] : [platformTenant, tenantId];
    return Math.max(now(), builtAt, ...(await Promise.all(tenants.map(covered))));
  };
}
