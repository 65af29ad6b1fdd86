import { AUDIT_TOPICS, type AuditEntry } from '@sworn/contract';
import { parseRecordId } from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { readEntriesAt } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import { auditItem, fieldsOf, objectOf } from './auditItem.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { topicOf } from './entryMetadata.js';
import { heldAgainst } from './openFindings.js';
import { proofOf } from './proof.js';
import type { ReadDeps, Reading } from './reading.js';
import { compromisedRecord, coverOf, sound } from './settled.js';
import { coveredBy } from './tier.js';

/** Endpoint 19: one entry of `audit`, `access` or `control`, with its proof. @throws Refusal */
export async function auditEntry(deps: ReadDeps, tenantId: string, id: string): Promise<Reading<AuditEntry>> {
  return inTenant(deps.db, 'reader', tenantId, (tx) => read(deps, tx, tenantId, id), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
}

async function read(deps: ReadDeps, tx: Tx, tenantId: string, id: string): Promise<Reading<AuditEntry>> {
  const sizes = await readLogSizes(tx, tenantId);
  const { entry, log } = await findEntry(deps, tx, { tenantId, id, sizes });
  const { stored } = entry;
  const cover = await coverOf(deps, tx, tenantId, stored);
  const proven = await proofOf(tx, tenantId, stored, cover);
  if (proven.kind === 'compromised') throw compromisedRecord(proven.finding, stored.leaf);
  const covered = coveredBy(deps, tenantId, sizes)(stored, cover?.signedAt ?? null);
  return {
    answer: { ...auditItem(tenantId, entry, covered), ...statesOf(entry), proof: proven.proof },
    pins: [{ log: log.log, size: cover?.size ?? log.size }],
    count: 1,
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

/** What every leaf says of itself, and what vouches for it: no state of what it is about. */
const OF_LEAF: ReadonlySet<string> = new Set([
  't',
  'log',
  'kind',
  'by',
  'event_key',
  'occurred_at',
  'recorded_at',
  'r',
  'map',
  'dk',
  'c',
  'mac',
]);

function statesOf(entry: SoundEntry): Pick<AuditEntry, 'before_state' | 'after_state'> {
  const fields = fieldsOf(entry);
  const own = Object.fromEntries(Object.entries(fields).filter(([name]) => !OF_LEAF.has(name)));
  return {
    before_state: objectOf(fields['before_state']),
    after_state: objectOf(fields['after_state']) ?? (topicOf(entry) === 'control' ? own : null),
  };
}
