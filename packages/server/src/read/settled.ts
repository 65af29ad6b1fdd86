import type { Finding } from '@sworn/contract';
import { Refusal } from '../access/refusal.js';
import { type LogSize, readCovering, readLogSizes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readRevisions, type StoredRun } from '../store/runs.js';
import { hasStepsBeyond } from '../store/steps.js';
import { type Checked, checkRun } from './check.js';
import type { Cursor } from './cursor.js';
import type { ReadDeps } from './reading.js';

/** Revisions of one run that are read: more come only from a run that opened again more often than any agent turn does. */
const MAX_REVISIONS = 256;

type Sound = Extract<Checked<StoredRun>, { kind: 'sound' }>;

/** Which run, and for a page beyond the first at which sizes of its logs. */
export interface AskedRun {
  readonly tenantId: string;
  readonly runId: string;
  readonly pins: Cursor['pins'] | null;
}

/** A run and the size of its log at which it is answered. */
export interface PinnedRun {
  readonly log: string;
  /** That of the first checkpoint that covers the newest RUN leaf of a settled run, so that its answers never change again; else the log's. */
  readonly pin: number;
  readonly newest: Sound;
  /** OPENED first. */
  readonly revisions: readonly Sound[];
  readonly sizes: readonly LogSize[];
}

/**
 * Finds a run of the tenant and pins it; with `pins`, those of a crawl's first page, as it was then: also when the run was sealed, or
 * opened again, between two pages.
 * @throws Refusal `not_found`; `evidence_compromised` when a revision fails its check.
 */
export async function pinRun(deps: ReadDeps, tx: Tx, { tenantId, runId, pins }: AskedRun): Promise<PinnedRun> {
  const sizes = await readLogSizes(tx, tenantId);
  for (const { log, size } of sizes.filter((s) => s.topic === 'llm-runs')) {
    const pinned = pins === null ? size : Math.min(size, pins[log] ?? 0);
    const stored = await readRevisions(tx, tenantId, log, runId, MAX_REVISIONS);
    const revisions = stored
      .filter(({ index }) => index < pinned)
      .map((run) => sound(checkRun(run, deps.originOf(tenantId, log))));
    const newest = revisions.at(-1);
    if (newest !== undefined)
      return { log, newest, revisions, sizes, pin: pins === null ? await pinOf(tx, tenantId, newest, size) : pinned };
  }
  throw new Refusal('not_found', 'there is no such run');
}

async function pinOf(tx: Tx, tenantId: string, { stored, members }: Sound, size: number): Promise<number> {
  if (stored.kind !== 'RUN') return size;
  const traceId = Buffer.from(members.text('trace_id') ?? '', 'hex');
  const beyond = { log: stored.log, traceId, from: members.object('sizes').count('llm-runs') ?? 0 };
  if (await hasStepsBeyond(tx, tenantId, beyond)) return size;
  return (await readCovering(tx, tenantId, stored.log, stored.index))?.size ?? size;
}

/** @throws Refusal `evidence_compromised` with the finding and the bytes as they are stored. */
export function sound<S>(checked: Checked<S>): Extract<Checked<S>, { kind: 'sound' }> {
  if (checked.kind === 'sound') return checked;
  throw compromisedRecord(checked.finding, checked.stored.leaf ?? new Uint8Array());
}

/** The refusal of a damaged record that was asked for by id. */
export function compromisedRecord(finding: Finding, leaf: Uint8Array): Refusal {
  return new Refusal('evidence_compromised', `check ${finding.check} failed: ${finding.detail}`, {
    compromised: { finding, leaf },
  });
}
