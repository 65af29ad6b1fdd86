import { AUDIT_TOPICS, type AuditEntry } from '@sworn/contract';
import { parseRecordId } from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { readEntriesAt } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import { AUDIT_KIND } from '../otlp/map/log.js';
import { readBodies } from '../store/steps.js';
import { auditItem } from './auditItem.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { topicOf } from './entryMetadata.js';
import { statesOf } from './entryStates.js';
import { heldAgainst } from './openFindings.js';
import { proofOf } from './proof.js';
import { openBodies } from './recordBody.js';
import type { ReadDeps, Reading } from './reading.js';
import { compromisedRecord, coverOf, sound } from './settled.js';
import { coveredBy } from './tier.js';

/** Endpoint 19: one entry of `audit`, `access` or `control`, with its proof. @throws Refusal */
export async function auditEntry(deps: ReadDeps, tenantId: string, id: string): Promise<Reading<AuditEntry>> {
  const { entry, body, proof, item, pin, sizes } = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => read(deps, tx, tenantId, id),
    { readOnly: true, snapshot: true, inIndexOrder: true },
  );
  const opened = await openBody(deps, tenantId, entry, body);
  return {
    answer: { ...item, ...statesOf(entry, opened), proof },
    pins: [pin],
    count: 1,
    sizes,
    ...(opened !== null && { holdsContent: true }),
  };
}

/** Of a producer's record its body, held against the leaf. Access records have one too, which is for erasure and not shown. */
async function openBody(
  deps: ReadDeps,
  tenantId: string,
  entry: SoundEntry,
  body: ReadonlyMap<number, Uint8Array>,
): Promise<Uint8Array | null> {
  if (!hasShownBody(entry)) return null;
  const opened = (await openBodies(deps, tenantId, [entry], body)).get(entry.stored.index);
  if (opened?.kind === 'compromised') throw compromisedRecord(opened.finding, entry.stored.leaf);
  return opened?.value ?? null;
}

/** The log record of a producer's event; of what a rule read in a span, its step has the content. */
function hasShownBody(entry: SoundEntry): boolean {
  const { kind, dk } = entry.stored;
  return topicOf(entry) === 'audit' && dk !== null && (kind === AUDIT_KIND || kind === 'CONFLICT');
}

async function read(deps: ReadDeps, tx: Tx, tenantId: string, id: string) {
  const sizes = await readLogSizes(tx, tenantId);
  const { entry, log } = await findEntry(deps, tx, { tenantId, id, sizes });
  const { stored } = entry;
  const cover = await coverOf(deps, tx, tenantId, stored);
  const proven = await proofOf(tx, tenantId, stored, cover);
  if (proven.kind === 'compromised') throw compromisedRecord(proven.finding, stored.leaf);
  const covered = coveredBy(deps, tenantId, sizes)(stored, cover?.signedAt ?? null);
  return {
    entry,
    body: hasShownBody(entry) ? await readBodies(tx, tenantId, log.log, [stored.index]) : new Map<number, Uint8Array>(),
    item: auditItem(tenantId, entry, covered),
    proof: proven.proof,
    pin: { log: log.log, size: cover?.size ?? log.size },
    sizes,
  };
}

interface AskedEntry {
  readonly tenantId: string;
  readonly id: string;
  readonly sizes: readonly LogSize[];
}

/** @throws Refusal `not_found`; `evidence_compromised` when it fails its check, or a finding is open on it. */
async function findEntry(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, id, sizes }: AskedEntry,
): Promise<{ readonly entry: SoundEntry; readonly log: LogSize }> {
  const place = parseRecordId(id);
  const topic = AUDIT_TOPICS.find((one) => one === place?.topic);
  const log = sizes.find((one) => one.topic === topic && one.generation === place?.generation);
  const [stored] =
    place === null || topic === undefined || log === undefined
      ? []
      : await readEntriesAt(tx, tenantId, { topic, log: log.log }, [place.index]);
  if (stored === undefined || log === undefined || stored.index >= log.size)
    throw new Refusal('not_found', 'there is no such entry');
  const open = await deps.openFindings(tx, tenantId);
  const checked = checkEntry(stored, log.topic, deps.originOf(tenantId, log.log));
  return { entry: sound(heldAgainst(checked, open)), log };
}
