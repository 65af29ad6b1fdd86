import { unhex } from '@sworn/evidence';
import type { Finding } from '@sworn/contract';
import { readEntriesAt } from '../store/auditEntries.js';
import type { Tx } from '../store/database.js';
import { findResource } from '../store/resources.js';
import { readBodies } from '../store/steps.js';
import { readResource, type ResourceView } from '../otlp/span.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { heldAgainst } from './openFindings.js';
import type { ReadDeps } from './reading.js';
import { openBodies } from './recordBody.js';
import type { Skeleton } from './runOrder.js';
import { compromisedRecord, type PinnedRun, sound } from './settled.js';

/** The RESOURCE record of a run's topmost step, checked; its body is still sealed. */
export interface SealedResource {
  readonly entry: SoundEntry;
  readonly bodies: ReadonlyMap<number, Uint8Array>;
}

/**
 * The record that the run's newest RUN leaf names, of an open run the one of its topmost step. Null: no step names one.
 * @throws Refusal `evidence_compromised` when it is gone, or not what was recorded.
 */
export async function findRunResource(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, skeleton }: { readonly run: PinnedRun; readonly skeleton: Skeleton },
): Promise<SealedResource | null> {
  const hash = run.newest.members.text('resource') ?? skeleton.resource;
  if (hash === null) return null;
  const place = await findResource(tx, tenantId, unhex(hash));
  if (place === null) throw compromisedRecord(goneResource(run), run.newest.stored.leaf);
  const at = { topic: 'system', log: place.log, table: 'resources' } as const;
  const [stored] = await readEntriesAt(tx, tenantId, at, [place.index]);
  if (stored === undefined) throw compromisedRecord(goneResource(run), run.newest.stored.leaf);
  const open = await deps.openFindings(tx, tenantId);
  const entry = sound(heldAgainst(checkEntry(stored, 'system', deps.originOf(tenantId, place.log)), open));
  return { entry, bodies: await readBodies(tx, tenantId, place.log, [place.index]) };
}

/** What it says. Outside any transaction, as `openBodies`. @throws Refusal `evidence_compromised` when its body is not what was recorded. */
export async function openRunResource(
  deps: ReadDeps,
  tenantId: string,
  { entry, bodies }: SealedResource,
): Promise<ResourceView> {
  const body = (await openBodies(deps, tenantId, [entry], bodies)).get(entry.stored.index);
  if (body === undefined) throw new Error('a body was asked for and not answered');
  if (body.kind === 'compromised') throw compromisedRecord(body.finding, entry.stored.leaf);
  return readResource(body.value);
}

function goneResource({ newest: { stored } }: PinnedRun): Finding {
  const { log, index } = stored;
  const detail = 'the RESOURCE record that the run names is gone';
  return { check: 'V5', code: 'MISSING_UNAUTHORISED', log, leaf_index: index, detail };
}
