import type { ProofDeps } from '../access/directory.js';
import { type Quotas, readQuotas, utcDay } from '../access/quotas.js';
import type { LeafDraft } from '../record/draft.js';
import { sightings } from '../seal/sighting.js';
import { type Database, inTenant } from '../store/database.js';
import { addIngested, dropIngestedBefore } from '../store/ingestDay.js';
import { countOpenRuns, readOpenAmong, readOpenedAmong } from '../store/openRuns.js';
import { retryLater } from './refusedRequest.js';

/** Holds what a tenant sends against what it may. What goes beyond is refused whole, before any of it is stored, and may be sent again. */
export interface IngestQuotas {
  /** Stores a request of so many bytes, inflated, if the day has room for them; what could not be stored is not counted. @throws RefusedRequest 429 */
  withinDay<T>(tenantId: string, bytes: number, store: () => Promise<T>): Promise<T>;
  /** Refuses drafts that would open more runs than the tenant may have open. @throws RefusedRequest 429 */
  demandRuns(tenantId: string, drafts: readonly LeafDraft[]): Promise<void>;
  /** Writes what was taken since; to be called once in a while, and at the end. */
  settle(): Promise<void>;
}

/** What holding against quotas needs. */
export interface IngestQuotasDeps extends ProofDeps {
  readonly db: Database;
  /** Connections that no read waits on: quotas are looked up on them, however many read. */
  readonly doors: Database;
  /** Milliseconds since 1970: which day it is. */
  readonly now: () => number;
  /** Milliseconds of a clock that nobody sets; the process's own unless told otherwise. */
  readonly monotonicMs?: () => number;
  /** Told of each request that was refused, and of how near a tenant is: 1 is all that it may. */
  readonly tell: {
    refused(quota: 'bytes_a_day' | 'open_runs'): void;
    near(tenantId: string, quota: 'bytes_a_day' | 'open_runs', ratio: number | null): void;
  };
}

/** Milliseconds that a look at quotas, and at what other processes took, is believed; a changed quota is heeded within this time. */
const BYTES_FRESH_MS = 5_000;
/** Of open runs: the sealer opens them within a second. */
const RUNS_FRESH_MS = 1_000;
/** A run that was let in and is not open after this long will not be: its steps did not get stored, or it is sealed already. */
const AWAITED_MS = 10_000;
/** Days that are kept for whoever wants to know how much it was. */
const DAYS_KEPT = 35;
const DAY_MS = 86_400_000;
/** Seconds until a day's bytes are free again may be many; a quota may be raised meanwhile, and then nobody should still be waiting. */
const MOST_RETRY_SECONDS = 900;
/** Runs are sealed by and by. */
const RUNS_RETRY_SECONDS = 5;

interface Tenant {
  quotas: Quotas;
  day: string;
  /** Of the day, by all processes, as of the last look. */
  stored: number;
  /** Durable here since, and on its way. */
  taken: number;
  pending: number;
  lookedAt: number;
  /** Open runs as of the last count, and steps let in since without a look at which runs they are of. */
  open: number;
  uncounted: number;
  countedAt: number;
  /** Runs that were let in near the quota and are not open yet, and since when. */
  readonly awaited: Map<string, number>;
}

export function createIngestQuotas(deps: IngestQuotasDeps): IngestQuotas {
  const { db, doors, now, monotonicMs = () => performance.now(), tell } = deps;
  // As many as there are tenants: only verified keys come here.
  const tenants = new Map<string, Tenant>();
  const looking = new Map<string, Promise<Tenant>>();

  /** Requests that find the same look too old share one. */
  async function fresh(tenantId: string): Promise<Tenant> {
    const known = tenants.get(tenantId);
    const isFresh = known?.day === utcDay(now()) && monotonicMs() - known.lookedAt < BYTES_FRESH_MS;
    return isFresh ? known : once(`look ${tenantId}`, () => look(tenantId));
  }

  async function once(name: string, work: () => Promise<Tenant>): Promise<Tenant> {
    const under = looking.get(name) ?? work().finally(() => looking.delete(name));
    looking.set(name, under);
    return under;
  }

  async function look(tenantId: string): Promise<Tenant> {
    const lookedAt = monotonicMs();
    const quotas = await inTenant(doors, 'reader', tenantId, (tx) => readQuotas(deps, tx, tenantId), {
      readOnly: true,
    });
    const tenant = tenants.get(tenantId) ?? newTenant(utcDay(now()), quotas);
    tenants.set(tenantId, tenant);
    await write(tenantId, tenant);
    Object.assign(tenant, { quotas, lookedAt });
    const { stored, taken } = tenant;
    tell.near(
      tenantId,
      'bytes_a_day',
      quotas.bytesADay === null ? null : (stored + taken) / Math.max(1, quotas.bytesADay),
    );
    return tenant;
  }

  /** Adds what was taken to its day, and learns what others did. What cannot be written stays taken. */
  async function write(tenantId: string, tenant: Tenant): Promise<void> {
    const { day, taken } = tenant;
    const stored = await inTenant(db, 'writer', tenantId, (tx) => addIngested(tx, tenantId, day, taken));
    Object.assign(tenant, { stored, taken: tenant.taken - taken });
    const today = utcDay(now());
    if (day === today) return;
    // What is taken after midnight, and stands under yesterday for these milliseconds, goes with the new day.
    tenant.day = today;
    const oldest = utcDay(now() - DAYS_KEPT * DAY_MS);
    tenant.stored = await inTenant(db, 'writer', tenantId, async (tx) => {
      await dropIngestedBefore(tx, tenantId, oldest);
      return addIngested(tx, tenantId, today, 0);
    });
  }

  async function withinDay<T>(tenantId: string, bytes: number, store: () => Promise<T>): Promise<T> {
    const tenant = await fresh(tenantId);
    const { bytesADay } = tenant.quotas;
    if (bytesADay !== null && tenant.stored + tenant.taken + tenant.pending + bytes > bytesADay) {
      tell.refused('bytes_a_day');
      const seconds = Math.min((DAY_MS - (now() % DAY_MS)) / 1_000, MOST_RETRY_SECONDS);
      throw retryLater(
        429,
        `the tenant may send ${bytesADay} bytes a day (UTC), and with these ${bytes} it would be more: none of them is stored`,
        seconds,
      );
    }
    tenant.pending += bytes;
    try {
      const answer = await store();
      tenant.taken += bytes;
      return answer;
    } finally {
      tenant.pending -= bytes;
    }
  }

  /** Counts open runs anew. */
  async function count(tenantId: string): Promise<Tenant> {
    const tenant = await fresh(tenantId);
    const countedAt = monotonicMs();
    const open = await inTenant(db, 'writer', tenantId, (tx) => countOpenRuns(tx, tenantId), { readOnly: true });
    counted(tenantId, tenant, { open, countedAt });
    return tenant;
  }

  function counted(tenantId: string, tenant: Tenant, count: Pick<Tenant, 'open' | 'countedAt'>): void {
    Object.assign(tenant, { ...count, uncounted: 0 });
    const { awaited } = tenant;
    for (const [run, since] of awaited) if (count.countedAt - since > AWAITED_MS) awaited.delete(run);
    const { openRuns } = tenant.quotas;
    tell.near(tenantId, 'open_runs', openRuns === null ? null : count.open / Math.max(1, openRuns));
  }

  async function demandRuns(tenantId: string, drafts: readonly LeafDraft[]): Promise<void> {
    const steps = drafts.filter(({ kind }) => kind === 'STEP');
    const known = await fresh(tenantId);
    const { openRuns } = known.quotas;
    if (openRuns === null || steps.length === 0) return;
    const isFresh = monotonicMs() - known.countedAt < RUNS_FRESH_MS;
    const tenant = isFresh ? known : await once(`count ${tenantId}`, () => count(tenantId));
    // Far from it nobody looks which runs they are of: to do so for each step would cost as much as to map it.
    const { open, uncounted, awaited } = tenant;
    if (open + awaited.size + uncounted + steps.length <= openRuns / 2) {
      tenant.uncounted += steps.length;
      return;
    }
    await demandRoom(tenantId, tenant, runsOf(steps));
  }

  async function demandRoom(tenantId: string, tenant: Tenant, asked: ReadonlySet<string>): Promise<void> {
    const { awaited, quotas } = tenant;
    const at = monotonicMs();
    const [opened, arrived, open] = await inTenant(
      db,
      'reader',
      tenantId,
      async (tx) => {
        const before = await readOpenedAmong(tx, tenantId, [...asked]);
        const now = await readOpenAmong(tx, tenantId, [...awaited.keys()]);
        return [before, now, await countOpenRuns(tx, tenantId)] as const;
      },
      { readOnly: true, snapshot: true },
    );
    counted(tenantId, tenant, { open, countedAt: at });
    for (const run of arrived) awaited.delete(run);
    const added = [...asked].filter((run) => !opened.has(run) && !awaited.has(run));
    const most = quotas.openRuns ?? Number.POSITIVE_INFINITY;
    if (added.length > 0 && open + awaited.size + added.length > most) {
      tell.refused('open_runs');
      throw retryLater(
        429,
        `the tenant may have ${most} runs open, has ${open + awaited.size}, and this would open ${added.length} more: nothing of it is stored`,
        RUNS_RETRY_SECONDS,
      );
    }
    for (const run of added) awaited.set(run, at);
  }

  return {
    withinDay,
    demandRuns,
    async settle() {
      for (const [tenantId, { taken, day, open, uncounted, awaited }] of tenants) {
        if (taken > 0 || day !== utcDay(now())) await once(`look ${tenantId}`, () => look(tenantId));
        if (open + uncounted + awaited.size > 0) await once(`count ${tenantId}`, () => count(tenantId));
      }
    },
  };
}

function newTenant(day: string, quotas: Quotas): Tenant {
  return {
    quotas,
    day,
    stored: 0,
    taken: 0,
    pending: 0,
    lookedAt: Number.NEGATIVE_INFINITY,
    open: 0,
    uncounted: 0,
    countedAt: Number.NEGATIVE_INFINITY,
    awaited: new Map(),
  };
}

/** The runs that steps name, or else their traces: what the sealer opens of them. What a foreign key says opens none. */
function runsOf(steps: readonly LeafDraft[]): ReadonlySet<string> {
  const leaves = steps.map(({ kind, leaf, traceId }) => ({
    index: 0,
    kind,
    leaf,
    leafHash: NO_HASH,
    traceId,
    recordedAt: '',
  }));
  const runs = new Set<string>();
  for (const { traceId, named, isForeign } of sightings(leaves).values()) {
    if (isForeign) continue;
    if (named.size === 0) runs.add(traceId);
    for (const run of named.keys()) runs.add(run);
  }
  return runs;
}

/** A draft has none yet. */
const NO_HASH = new Uint8Array(32);
