import {
  parseDisclosure,
  disclosureLine,
  type Disclosure,
  type PinnedRecords,
  type RecordFile,
  topicOfLog,
} from '@sworn/evidence';
import { checkBytes } from '../read/check.js';
import type { ReadDeps } from '../read/reading.js';
import { openBodies } from '../read/recordBody.js';
import { compromisedRecord } from '../read/settled.js';
import { readDataKeysById } from '../store/dataKey.js';
import { inTenant } from '../store/database.js';
import { type ExportedLeaf, readExportedLeaves } from '../store/exporting.js';
import { readBodies } from '../store/steps.js';
import type { ScopedLog } from './scope.js';
import type { ScratchFile } from './scratchFile.js';

/** Leaves read at once, at most 8 MB. */
const LEAVES_AT_ONCE = 500;
/** Bytes of bodies that are opened at once, by the size classes in their leaves; one body alone may be larger. */
const BODY_BYTES_AT_ONCE = 8 << 20;

/** The leaves of one log in a bundle, and what of their bodies is disclosed. */
export interface WrittenRecords {
  readonly file: RecordFile;
  /** The body of a leaf as it is disclosed; null: it is not, or there is none. */
  readonly bodyOf: (index: number) => Promise<Uint8Array | null>;
  readonly counts: PinnedRecords;
  /** Data keys that the leaves name and that lived before their bodies were read, disclosed or not. */
  readonly keyIds: ReadonlySet<string>;
}

/** Where they are written, and who is told how far that is. */
export interface RecordsTarget {
  readonly records: ScratchFile;
  /** Null: nothing of this log is disclosed. */
  readonly disclosures: ScratchFile | null;
  readonly onLeaves: (count: number) => Promise<void>;
}

/** Whether bodies of this log are disclosed. */
export function isDisclosed(disclosure: Disclosure, log: string): boolean {
  return disclosure === 'all' || (disclosure === 'governance' && topicOfLog(log) === 'audit');
}

/**
 * Writes the leaves of a log, a line each, every one held against its hash (V4), and its bodies, each held against its leaf (V8).
 * @throws Refusal `evidence_compromised` at the first that is not what was recorded: damage is shown by the checks, and leaves in no bundle
 */
export async function writeRecords(
  deps: ReadDeps,
  tenantId: string,
  { log, origin, indexes, checkpoint, beside }: ScopedLog,
  { records, disclosures, onLeaves }: RecordsTarget,
): Promise<WrittenRecords> {
  const ends = new Float64Array(indexes.length);
  const places = new Map<number, readonly [start: number, end: number]>();
  const keyIds = new Set<string>();
  let [bodies, line] = [0, 0];
  for (let from = 0; from < indexes.length; from += LEAVES_AT_ONCE) {
    const some = indexes.slice(from, from + LEAVES_AT_ONCE);
    const leaves = await inTenant(deps.db, 'reader', tenantId, (tx) => readExportedLeaves(tx, tenantId, log, some), {
      readOnly: true,
    });
    const sound = some.map((index, i) => soundLeaf(leaves[i], { log, origin, index }));
    for (const { stored } of sound) {
      await records.write(stored.leaf);
      await records.write('\n');
      ends[line++] = records.size;
    }
    const committed = sound.filter(({ members }) => members.text('dk') !== null);
    bodies += committed.length;
    for (const id of await livingKeys(deps, tenantId, committed, keyIds)) keyIds.add(id);
    if (disclosures !== null) {
      for (const few of inBytes(committed)) await disclose(deps, tenantId, log, few, { to: disclosures, places });
    }
    await onLeaves(some.length);
  }
  return {
    file: recordFile(log, indexes, records, ends),
    async bodyOf(index) {
      const place = places.get(index);
      if (place === undefined || disclosures === null) return null;
      const [start, end] = place;
      return parseDisclosure(Buffer.from(await disclosures.read(start, end - start)).toString('utf8')).value;
    },
    counts: {
      log,
      origin,
      size: checkpoint.size,
      shown: indexes.length,
      withheld: beside?.withheld.length ?? 0,
      disclosed: places.size,
      undisclosed: bodies - places.size,
      erased: 0,
    },
    keyIds,
  };
}

type SoundLeaf = ReturnType<typeof soundLeaf>;

/** @throws Refusal `evidence_compromised` when it is gone, or not what was recorded */
export function soundLeaf(
  leaf: ExportedLeaf | undefined,
  { log, origin, index }: { readonly log: string; readonly origin: string; readonly index: number },
) {
  if (leaf?.index !== index) {
    const finding = { check: 'V5', code: 'MISSING_UNAUTHORISED', log, leaf_index: index, detail: 'the leaf is gone' };
    throw compromisedRecord(finding as Parameters<typeof compromisedRecord>[0], new Uint8Array());
  }
  const checked = checkBytes(leaf, origin);
  if (checked.kind === 'compromised') throw compromisedRecord(checked.finding, leaf.leaf);
  return checked;
}

/** Of the data keys of these leaves those that are not known yet and were not destroyed. */
async function livingKeys(
  deps: ReadDeps,
  tenantId: string,
  leaves: readonly SoundLeaf[],
  known: ReadonlySet<string>,
): Promise<readonly string[]> {
  const named = new Set(leaves.flatMap(({ members }) => members.text('dk') ?? []));
  const unknown = [...named].filter((id) => !known.has(id));
  if (unknown.length === 0) return [];
  const rows = await inTenant(deps.db, 'reader', tenantId, (tx) => readDataKeysById(tx, tenantId, unknown), {
    readOnly: true,
  });
  return rows.map(({ dk }) => dk);
}

/** In pieces of so many bytes of bodies. */
function* inBytes(leaves: readonly SoundLeaf[]): Generator<SoundLeaf[]> {
  let few: SoundLeaf[] = [];
  let bytes = 0;
  for (const leaf of leaves) {
    const length = leaf.members.object('c').object('body').count('n') ?? 0;
    if (few.length > 0 && bytes + length > BODY_BYTES_AT_ONCE) {
      yield few;
      few = [];
      bytes = 0;
    }
    few.push(leaf);
    bytes += length;
  }
  if (few.length > 0) yield few;
}

async function disclose(
  deps: ReadDeps,
  tenantId: string,
  log: string,
  leaves: readonly SoundLeaf[],
  { to, places }: { readonly to: ScratchFile; readonly places: Map<number, readonly [number, number]> },
): Promise<void> {
  const indexes = leaves.map(({ stored }) => stored.index);
  const bodies = await inTenant(deps.db, 'reader', tenantId, (tx) => readBodies(tx, tenantId, log, indexes), {
    readOnly: true,
  });
  const opened = await openBodies(deps, tenantId, leaves, bodies);
  for (const { stored } of leaves) {
    const body = opened.get(stored.index);
    if (body === undefined) throw new Error('a body was asked for and not answered');
    if (body.kind === 'compromised') throw compromisedRecord(body.finding, stored.leaf);
    const { value, salt } = body;
    const start = to.size;
    await to.write(disclosureLine({ index: stored.index, path: 'body', salt, value }));
    places.set(stored.index, [start, to.size]);
    await to.write('\n');
  }
}

/** Bytes of records that are looked at together: leaf after leaf is asked for. */
function recordFile(log: string, indexes: readonly number[], records: ScratchFile, ends: Float64Array): RecordFile {
  const startOf = (line: number) => (line === 0 ? 0 : (ends[line - 1] as number));
  const leafAt = (line: number) => records.read(startOf(line), (ends[line] as number) - 1 - startOf(line));
  return {
    log,
    indexes,
    leafAt,
    async *leaves() {
      for (let line = 0; line < indexes.length; line += LEAVES_AT_ONCE) {
        const last = Math.min(line + LEAVES_AT_ONCE, indexes.length);
        const from = startOf(line);
        const bytes = await records.read(from, startOf(last) - from);
        for (let one = line; one < last; one++)
          yield bytes.subarray(startOf(one) - from, (ends[one] as number) - 1 - from);
      }
    },
  };
}
