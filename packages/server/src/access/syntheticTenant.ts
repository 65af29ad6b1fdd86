import { type Database, inTenant, outsideTenants } from '../store/database.js';
import { readTenants } from '../store/tenant.js';
import { isTenantProven, type ProofDeps } from './directory.js';

/** What looking for it needs. */
interface SyntheticTenantDeps extends ProofDeps {
  readonly db: Database;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Milliseconds an answer of the database is believed. */
const BELIEVED_MS = 5_000;

/** Who is the deployment's only synthetic tenant; null: there is none, or there are several. Asked of the database once in a while. */
export function createSyntheticTenant(deps: SyntheticTenantDeps): () => Promise<string | null> {
  let held: { readonly askedAt: number; readonly found: Promise<string | null> } | null = null;
  return () => {
    const at = deps.now();
    if (held !== null && Math.abs(at - held.askedAt) < BELIEVED_MS) return held.found;
    const found = find(deps);
    held = { askedAt: at, found };
    found.catch(() => (held = null));
    return found;
  };
}

/** As its `control` leaf says. */
async function find(deps: SyntheticTenantDeps): Promise<string | null> {
  const { db } = deps;
  const all = await outsideTenants(db, 'recorder', readTenants);
  const [only, another] = all.filter(({ synthetic, platform }) => synthetic && !platform);
  if (only === undefined || another !== undefined) return null;
  const { tenantId } = only;
  const isProven = await inTenant(db, 'reader', tenantId, (tx) => isTenantProven(deps, tx, only), { readOnly: true });
  return isProven ? tenantId : null;
}
