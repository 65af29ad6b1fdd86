import { type Database, inTenant } from '../store/database.js';
import { readTenant } from '../store/tenant.js';
import { isTenantProven, type ProofDeps } from './directory.js';

/** A tenant that is there and that its `control` leaf vouches for; null: there is none. */
export type LivingTenant = (tenantId: string) => Promise<{ readonly synthetic: boolean } | null>;

/** Milliseconds an answer is believed, as of keys. */
const TENANT_CACHE_MS = 5_000;

/** Looks tenants up, by a clock that nobody sets, each at most once in five seconds. Only ids that the configuration names are asked for, so they are few. */
export function createLivingTenant(
  deps: ProofDeps & { readonly db: Database; readonly monotonicMs?: () => number },
): LivingTenant {
  const { monotonicMs = () => performance.now() } = deps;
  const known = new Map<string, { readonly answer: ReturnType<LivingTenant>; readonly askedAt: number }>();
  async function look(tenantId: string): ReturnType<LivingTenant> {
    return inTenant(
      deps.db,
      'reader',
      tenantId,
      async (tx) => {
        const tenant = await readTenant(tx, tenantId);
        return tenant !== null && (await isTenantProven(deps, tx, tenant)) ? { synthetic: tenant.synthetic } : null;
      },
      { readOnly: true },
    );
  }
  return (tenantId) => {
    const before = known.get(tenantId);
    if (before !== undefined && monotonicMs() - before.askedAt < TENANT_CACHE_MS) return before.answer;
    const question = { answer: look(tenantId), askedAt: monotonicMs() };
    known.set(tenantId, question);
    question.answer.catch(() => known.get(tenantId) === question && known.delete(tenantId));
    return question.answer;
  };
}
