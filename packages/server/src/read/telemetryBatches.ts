import type { CompromisedItem, JoinRule } from '@sworn/contract';
import { type LeaflessEntry, readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import type { Tx } from '../store/database.js';
import { readBodies } from '../store/steps.js';
import { type BatchKey, findBatches } from '../store/telemetry.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import { openBodies } from './recordBody.js';
import { compromisedItem } from './runItem.js';
import type { OpenedBatch } from './seriesPoints.js';
import type { JoinWay } from './telemetryJoin.js';

/** Records of metrics that one answer is made of, and the bytes that they open to. */
const MAX_BATCHES = 400;
const MAX_BYTES = 8 << 20;
/** Records that are looked at on either side where none lies in the window: a source may send several at a time. */
const NEAREST = 8;

/** The times in which metrics are of a run: RFC 3339. */
export interface TelemetryWindow {
  readonly from: string;
  readonly to: string;
  /** As far as is looked for the nearest. */
  readonly nearestFrom: string;
  readonly nearestTo: string;
}

/** Records that were found, checked; bodies are still sealed. */
export interface FoundBatches {
  readonly records: readonly (FoundBatch & { readonly checked: Checked<StoredEntry> })[];
  readonly bodies: ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;
  /** False: there are more than one answer reads. */
  readonly complete: boolean;
}

interface FoundBatch {
  readonly log: string;
  readonly index: number;
  readonly rule: JoinRule;
}

/** Looks for the records of a round, each by the strongest way that leads to it. */
export async function findRound(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: { readonly ways: readonly JoinWay[]; readonly logs: readonly Pin[]; readonly window: TelemetryWindow },
): Promise<FoundBatches> {
  const found = new Map<string, FoundBatch>();
  let complete = true;
  for (const { rule, key } of asked.ways) {
    for (const { log, size } of asked.logs) {
      const indexes = await indexesOf(tx, tenantId, key, { log, size, window: asked.window });
      for (const index of indexes) {
        const name = `${log}/${index}`;
        if (found.has(name)) continue;
        if (found.size < MAX_BATCHES) found.set(name, { log, index, rule });
        else complete = false;
      }
    }
  }
  const records: (FoundBatch & { readonly checked: Checked<StoredEntry> })[] = [];
  const bodies = new Map<string, ReadonlyMap<number, Uint8Array>>();
  let bytes = 0;
  for (const { log } of asked.logs) {
    const ofLog = new Map([...found.values()].filter((one) => one.log === log).map((one) => [one.index, one]));
    const kept: number[] = [];
    for (const checked of await checkedAt(deps, tx, tenantId, log, [...ofLog.keys()])) {
      const one = ofLog.get(checked.stored.index);
      if (one === undefined) continue;
      // Sent with a key that is bound to other services: kept, and part of nothing.
      if (checked.kind === 'sound' && checked.members.flag('foreign') === true) continue;
      if (checked.kind === 'sound') bytes += checked.members.object('c').object('body').count('n') ?? 0;
      if (bytes > MAX_BYTES && records.length > 0) {
        complete = false;
        break;
      }
      records.push({ ...one, checked });
      kept.push(one.index);
    }
    bodies.set(log, await readBodies(tx, tenantId, log, kept));
  }
  return { records, bodies, complete };
}

/** In the window; where there are none, the nearest before and after it. */
async function indexesOf(
  tx: Tx,
  tenantId: string,
  key: BatchKey,
  { log, size, window }: Pin & { readonly window: TelemetryWindow },
): Promise<readonly number[]> {
  const at = { log, below: size };
  const within = { ...at, from: window.from, to: window.to, limit: MAX_BATCHES + 1 };
  const inWindow = await findBatches(tx, tenantId, key, within);
  if (inWindow.length > 0) return inWindow.map(({ index }) => index);
  const before = { ...at, from: window.nearestFrom, to: window.from, limit: NEAREST, newest: true };
  const after = { ...at, from: window.to, to: window.nearestTo, limit: NEAREST };
  return [...(await findBatches(tx, tenantId, key, before)), ...(await findBatches(tx, tenantId, key, after))].map(
    ({ index }) => index,
  );
}

async function checkedAt(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<Checked<StoredEntry>[]> {
  const at = { topic: 'system', log, table: 'telemetry_batches' } as const;
  const stored: readonly (StoredEntry | LeaflessEntry)[] = await readEntriesAt(tx, tenantId, at, indexes);
  const open = await deps.openFindings(tx, tenantId);
  const origin = deps.originOf(tenantId, log);
  return stored.map((one) => heldAgainst(checkEntry(one, 'system', origin), open));
}

/** What the records of a round say. */
export interface OpenedRound {
  readonly batches: readonly (OpenedBatch & { readonly entry: SoundEntry })[];
  readonly damaged: readonly CompromisedItem[];
}

/** Opens the bodies. Outside any transaction, as `openBodies`. */
export async function openRound(
  deps: ReadDeps,
  tenantId: string,
  { records, bodies }: FoundBatches,
): Promise<OpenedRound> {
  const batches: (OpenedBatch & { readonly entry: SoundEntry })[] = [];
  const damaged: CompromisedItem[] = [];
  for (const [log, ofLog] of bodies) {
    const own = records.filter((record) => record.log === log);
    const sound = own.flatMap(({ checked }) => (checked.kind === 'sound' ? [checked] : []));
    const opened = await openBodies(deps, tenantId, sound, ofLog);
    for (const { checked, rule } of own) {
      const body = opened.get(checked.stored.index);
      if (checked.kind === 'compromised') damaged.push(compromisedItem(checked));
      else if (body?.kind === 'compromised')
        damaged.push(compromisedItem({ kind: 'compromised', stored: checked.stored, finding: body.finding }));
      else if (body !== undefined) batches.push(openedBatch(checked, rule, body.value));
    }
  }
  return { batches, damaged };
}

function openedBatch(entry: SoundEntry, joinedBy: JoinRule, body: Uint8Array): OpenedRound['batches'][number] {
  const { stored, members } = entry;
  return {
    entry,
    index: stored.index,
    leafHash: stored.leafHash,
    recordedAt: stored.recordedAt,
    source: {
      service: members.text('service'),
      instance: members.text('instance'),
      hostId: members.text('host_id'),
    },
    joinedBy,
    body,
  };
}
