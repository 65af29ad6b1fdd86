import { type LeafMembers, vouchedMembers } from '../record/vouched.js';
import { readNewestControl } from '../store/control.js';
import type { Tx } from '../store/database.js';
import type { ProofDeps } from './directory.js';

/** What a tenant may use; null: as much as there is. */
export interface Quotas {
  /** Bytes of OTLP, inflated, that are accepted on a UTC day. */
  readonly bytesADay: number | null;
  /** Runs that are open at a time. */
  readonly openRuns: number | null;
  /** Keys that are neither revoked nor expired. */
  readonly keys: number | null;
}

/** Of a tenant that nobody said anything of: what an honest one does not meet, and a runaway program does. An open run is a row of some 200 bytes, a key one of 500. */
const DEFAULT_QUOTAS: Quotas = { bytesADay: null, openRuns: 100_000, keys: 1_000 };

/** What the tenant may use. */
export async function readQuotas({ directoryKey, originOf }: ProofDeps, tx: Tx, tenantId: string): Promise<Quotas> {
  const newest = await readNewestControl(tx, tenantId, 'QUOTA_SET');
  if (newest === null) return DEFAULT_QUOTAS;
  const claim = { ...newest, origin: originOf(tenantId, newest.log), kind: 'QUOTA_SET', eventKey: null };
  const said = vouchedMembers(directoryKey, claim);
  return said === null ? DEFAULT_QUOTAS : quotasOf(said);
}

function quotasOf(said: LeafMembers): Quotas {
  const most = (name: string): number | null => (typeof said[name] === 'number' ? said[name] : null);
  return { bytesADay: most('bytes_a_day'), openRuns: most('open_runs'), keys: most('keys') };
}

/** `2026-11-28`. `ms`: since 1970. */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
