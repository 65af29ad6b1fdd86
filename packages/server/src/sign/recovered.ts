import { type ProofDeps, readVouchedOf } from '../access/directory.js';
import { type Database, inTenant } from '../store/database.js';

/** What the LOG_RECOVERED leaves about a tenant say: which logs were given up, and which go on in their place. */
export interface Recovered {
  readonly closed: ReadonlySet<string>;
  readonly opened: ReadonlySet<string>;
}

/**
 * Reads what was recovered of a tenant, as leaves say that Sworn wrote: `closed` in `log_head` is a claim of whoever owns the database.
 * `recordedIn`: the tenant in whose `control` they stand, its own, or the platform's when the tenant is gone.
 */
export async function readRecovered(
  deps: ProofDeps & { readonly db: Database },
  tenantId: string,
  recordedIn: string,
): Promise<Recovered> {
  const leaves = await inTenant(deps.db, 'checker', recordedIn, (tx) =>
    readVouchedOf(deps, tx, recordedIn, ['LOG_RECOVERED']),
  );
  const about = leaves.map(({ members }) => members).filter((members) => members.of_tenant === tenantId);
  return { closed: textsOf(about, 'of_log'), opened: textsOf(about, 'to_log') };
}

function textsOf(all: readonly Readonly<Record<string, unknown>>[], member: string): Set<string> {
  return new Set(all.flatMap((members) => (typeof members[member] === 'string' ? [members[member]] : [])));
}
