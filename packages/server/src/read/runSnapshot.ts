import { createHmac } from 'node:crypto';
import type { ResourceGroups, RunSnapshot, SnapshotChange } from '@sworn/contract';
import { type Attributes, type AttributeValue, jsonText } from '../otlp/attributes.js';
import { readEntriesAt } from '../store/auditEntries.js';
import { inTenant, type Tx } from '../store/database.js';
import { findLastChange } from '../store/resources.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { checksumOf, runMetadata } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import { proofOf } from './proof.js';
import type { ReadDeps, Reading } from './reading.js';
import { idOf } from './runItem.js';
import { findRunResource, openRunResource, type SealedResource } from './runResource.js';
import { textOf } from './seriesPoints.js';
import { compromisedRecord, coverOf, type PinnedRun, pinRun, sound } from './settled.js';
import { readSkeleton } from './skeleton.js';
import { systemMetadata } from './systemItem.js';
import { coveredBy } from './tier.js';

/** Attributes of one resource that are shown; a resource has some dozens. */
const MAX_ATTRIBUTES = 256;

/** Endpoint 8: the environment a run ran in. @throws Refusal */
export async function runSnapshot(deps: ReadDeps, tenantId: string, runId: string): Promise<Reading<RunSnapshot>> {
  const found = await inTenant(deps.db, 'reader', tenantId, (tx) => find(deps, tx, tenantId, runId), {
    readOnly: true,
    snapshot: true,
  });
  const { run, recorded } = found;
  const pins = [
    { log: run.log, size: run.bound },
    ...(recorded === null ? [] : run.sizes.filter(({ log }) => log === recorded.entry.stored.log)),
  ].map(({ log, size }) => ({ log, size }));
  const answer = recorded === null ? notRecorded(deps, tenantId, run) : await shown(deps, tenantId, run, recorded);
  return { answer, pins, count: 1, sizes: run.sizes };
}

interface Recorded extends SealedResource {
  readonly proof: NonNullable<RunSnapshot['proof']>;
  readonly coveredAt: string | null;
  readonly change: SoundEntry | null;
}

interface Found {
  readonly run: PinnedRun;
  readonly recorded: Recorded | null;
}

async function find(deps: ReadDeps, tx: Tx, tenantId: string, runId: string): Promise<Found> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: null });
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const resource = await findRunResource(deps, tx, tenantId, { run, skeleton });
  if (resource === null) return { run, recorded: null };
  const { stored } = resource.entry;
  const cover = await coverOf(deps, tx, tenantId, stored);
  const proven = await proofOf(tx, tenantId, stored, cover);
  if (proven.kind === 'compromised') throw compromisedRecord(proven.finding, stored.leaf);
  const change = await lastChange(deps, tx, tenantId, run);
  return { run, recorded: { ...resource, proof: proven.proof, coveredAt: cover?.signedAt ?? null, change } };
}

/** Of the instance, at or before the run's start; null: none is recorded, or the resource names no instance. */
async function lastChange(deps: ReadDeps, tx: Tx, tenantId: string, run: PinnedRun): Promise<SoundEntry | null> {
  const { members, stored } = run.newest;
  const instance = members.text('instance');
  if (instance === null) return null;
  const at = members.text('started_at') ?? stored.occurredAt;
  for (const { log, size } of run.sizes.filter(({ topic }) => topic === 'system')) {
    const index = await findLastChange(tx, tenantId, { log, below: size, instance, at });
    if (index === null) continue;
    const [entry] = await readEntriesAt(tx, tenantId, { topic: 'system', log }, [index]);
    if (entry === undefined) continue;
    const open = await deps.openFindings(tx, tenantId);
    return sound(heldAgainst(checkEntry(entry, 'system', deps.originOf(tenantId, log)), open));
  }
  return null;
}

function notRecorded(deps: ReadDeps, tenantId: string, run: PinnedRun): RunSnapshot {
  const { stored, members } = run.newest;
  const covered = coveredBy(deps, tenantId, run.sizes)(stored, run.cover?.signedAt ?? null);
  return {
    run_id: run.runId,
    status: 'not_recorded',
    reason: 'no step of the run names a resource',
    id: null,
    resource: null,
    attributes_left_out: 0,
    fingerprint: null,
    last_change: null,
    checksum: null,
    leaf_index: null,
    recorded_at: null,
    proof: null,
    metadata: runMetadata(tenantId, stored, members, covered),
  };
}

async function shown(deps: ReadDeps, tenantId: string, run: PinnedRun, recorded: Recorded): Promise<RunSnapshot> {
  const { stored } = recorded.entry;
  const { attributes } = await openRunResource(deps, tenantId, recorded);
  const covered = coveredBy(deps, tenantId, run.sizes)(stored, recorded.coveredAt);
  const key = await deps.contentKeyOf(tenantId);
  return {
    run_id: run.runId,
    status: 'recorded',
    reason: null,
    id: idOf(stored),
    resource: groupsOf(attributes),
    attributes_left_out: Math.max(0, attributes.size - MAX_ATTRIBUTES),
    fingerprint: `hmac-sha256:${createHmac('sha256', key).update(canonical(attributes)).digest('hex')}`,
    last_change: recorded.change === null ? null : changeOf(recorded.change),
    checksum: checksumOf(stored.leafHash),
    leaf_index: stored.index,
    recorded_at: stored.recordedAt,
    proof: recorded.proof,
    metadata: { ...systemMetadata(tenantId, recorded.entry, covered), run_id: run.runId },
  };
}

const GROUPS = ['service', 'host', 'os', 'process', 'container', 'k8s', 'cloud'] as const;

function groupsOf(attributes: Attributes): ResourceGroups {
  const groups: ResourceGroups = {
    service: [],
    host: [],
    os: [],
    process: [],
    container: [],
    k8s: [],
    cloud: [],
    sdk: [],
    other: [],
  };
  for (const [name, value] of entriesOf(attributes).slice(0, MAX_ATTRIBUTES)) {
    const group = GROUPS.find((prefix) => name.startsWith(`${prefix}.`));
    groups[group ?? (name.startsWith('telemetry.') ? 'sdk' : 'other')].push({
      name,
      value: value === null ? null : textOf(value),
    });
  }
  return groups;
}

/** By name. */
function entriesOf(attributes: Attributes): [string, AttributeValue][] {
  return [...attributes.keys()]
    .toSorted()
    .map((name): [string, AttributeValue] => [name, attributes.get(name) ?? null]);
}

function canonical(attributes: Attributes): string {
  return jsonText(entriesOf(attributes));
}

function changeOf({ stored, members }: SoundEntry): SnapshotChange {
  return {
    id: idOf(stored),
    event_type: stored.kind as SnapshotChange['event_type'],
    event_name: members.text('event_name'),
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
  };
}
