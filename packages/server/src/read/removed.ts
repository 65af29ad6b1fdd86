import { Refusal } from '../access/refusal.js';
import { vouchedMembers } from '../record/vouched.js';
import { readCovering } from '../store/checkpointRead.js';
import { readNewestControls } from '../store/control.js';
import type { Tx } from '../store/database.js';
import type { ControlLeaf } from '../store/tenant.js';
import { readHashes } from '../store/tileRead.js';
import { proofOf } from './proof.js';
import type { ReadDeps } from './reading.js';
import { compromisedRecord } from './settled.js';

/** Newest RETENTION leaves that are looked through for the one of a log: a tenant has a handful of logs, and the newest takes the longest prefix. */
const MAX_RETENTIONS = 64;

/** Leaves `from` ≤ index < `to` of a log, at most a tile's 256, of which some are gone. */
export interface Gone {
  readonly tenantId: string;
  readonly log: string;
  readonly from: number;
  readonly to: number;
}

/** What is said of it: 404 when a proven RETENTION leaf allows that the first of them is gone, else a finding (V5). */
export async function refusalOfGone(deps: ReadDeps, tx: Tx, { tenantId, log, from, to }: Gone): Promise<Refusal> {
  const there = await readHashes(tx, tenantId, log, { from, to });
  const gap = there.findIndex(({ index }, i) => index !== from + i);
  const first = from + (gap < 0 ? there.length : gap);
  if (first >= to) return goneTiles(log, from);
  const below = await retainedBelow(deps, tx, { tenantId, log });
  if (first < below) return new Refusal('not_found', `leaves below ${below} are gone by retention`);
  return missing(log, first, 'the leaf is gone, and no proven RETENTION leaf allows it');
}

/** What is said of stored tiles that are gone, which nothing allows. `index`: the leaf that they were asked for. */
export function goneTiles(log: string, index: number): Refusal {
  return missing(log, index, 'tiles over it are gone');
}

function missing(log: string, index: number, detail: string): Refusal {
  const finding = { check: 'V5', code: 'MISSING_UNAUTHORISED', log, leaf_index: index, detail } as const;
  return compromisedRecord(finding, new Uint8Array());
}

/** Leaves below it may be gone: the longest prefix that a RETENTION leaf of `control`, ours and under a checkpoint of ours, allows to. 0: none. */
export async function retainedBelow(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, log }: Pick<Gone, 'tenantId' | 'log'>,
): Promise<number> {
  let longest = 0;
  for (const stored of await readNewestControls(tx, tenantId, 'RETENTION', MAX_RETENTIONS)) {
    const claim = { ...stored, origin: deps.originOf(tenantId, stored.log), kind: 'RETENTION', eventKey: null };
    const said = vouchedMembers(deps.directoryKey, claim);
    if (said === null || said.of !== log || typeof said.below !== 'number') continue;
    if (said.below > longest && (await isProven(deps, tx, tenantId, stored))) longest = said.below;
  }
  return longest;
}

async function isProven(deps: ReadDeps, tx: Tx, tenantId: string, stored: ControlLeaf): Promise<boolean> {
  const cover = await readCovering(tx, tenantId, stored.log, stored.index);
  if (cover === null || !(await deps.verifyCheckpoint(tenantId, stored.log, cover))) return false;
  return (await proofOf(tx, tenantId, stored, cover)).kind === 'proven';
}
