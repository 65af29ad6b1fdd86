import { AUDIT_EVENTS } from '@sworn/contract';
import { hex, type JsonObject, type JsonValue, type Members, membersOf, sha256, TOPICS } from '@sworn/evidence';
import type { LogPlace } from '../store/checking.js';
import type { FullLeaf, TreeLeaf } from '../store/checkingLeaf.js';
import type { Tell } from './finding.js';

/** A leaf that was read, with what it says: all of it, or of which body. */
export interface ReadLeaf<Row extends TreeLeaf = FullLeaf, Said = Members> {
  readonly row: Row;
  /** Hash of its bytes. */
  readonly hash: Uint8Array;
  readonly said: Said;
}

/** Kinds that count in `control` only, where Sworn alone writes them. A producer's record of this name would be one of ours in disguise. */
const CONTROL_KINDS: ReadonlySet<string> = new Set(
  Object.entries(AUDIT_EVENTS).flatMap(([category, kinds]) => (category === 'ACCESS' ? [] : kinds)),
);

/** Parses a leaf that is what was committed; null and a finding (V4) when it is none. Its form needs no look: its hash does. */
export function parseLeaf(place: LogPlace, row: TreeLeaf, tell: Tell): Members | null {
  try {
    const value = JSON.parse(row.leaf.toString('utf8')) as JsonValue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return membersOf(value as JsonObject);
  } catch {
    // Told below.
  }
  tell({
    ...place,
    code: 'LEAF_MALFORMED',
    index: row.index,
    table: 'leaf',
    expected: 'a leaf',
    found: 'bytes that are none',
  });
  return null;
}

/** Check V6 for the columns beside a leaf, and what V10 says of its kind. */
export function checkColumns(place: LogPlace, origin: string, { row, said }: ReadLeaf, tell: Tell): void {
  const at = { ...place, index: row.index };
  // Log records have conflicts too, of which this column says nothing.
  const isStep = topicOf(place.log) === 'llm-runs' && (row.kind === 'STEP' || row.kind === 'CONFLICT');
  const differs = (name: string, expected: string | null, found: string | null): boolean => {
    if (expected === found) return false;
    const shown = SHOWN.has(name)
      ? [`${name} ${expected}`, String(found)]
      : [`${name} as the leaf says it`, 'another value'];
    tell({ ...at, code: 'COLUMN_MISMATCH', table: 'leaf', expected: shown[0] as string, found: shown[1] as string });
    return true;
  };
  if (differs('log', said.text('log'), origin)) return;
  differs('kind', said.text('kind'), row.kind);
  differs('event_key', said.text('event_key'), row.eventKey.toString('hex'));
  differs('occurred_at', said.text('occurred_at'), row.occurredAt);
  differs('recorded_at', said.text('recorded_at'), row.recordedAt);
  differs('dk', said.text('dk'), row.dk);
  differs('trace_id', isStep ? said.text('trace_id') : null, row.traceId?.toString('hex') ?? null);
  differs('run_id', isStep ? null : said.text('run_id'), row.runId);
  // What a producer sent is digested under a key of its tenant; Sworn's own repeat nothing but their identity.
  if (said.text('by') === 'sworn') differs('digest', hex(sha256(row.eventKey)), row.digest.toString('hex'));
  if (CONTROL_KINDS.has(row.kind) && !place.log.startsWith('control'))
    tell({
      ...at,
      code: 'CONTROL_KIND_OUTSIDE',
      table: 'leaf',
      expected: 'this kind in control only',
      found: row.kind,
    });
}

/** Columns whose values are no content: hashes, ids, times, kinds. */
const SHOWN: ReadonlySet<string> = new Set([
  'log',
  'kind',
  'event_key',
  'occurred_at',
  'recorded_at',
  'dk',
  'trace_id',
  'digest',
]);

/** Check V7: `recorded_at` never goes back. Returns the latest so far. */
export function checkTime(place: LogPlace, row: TreeLeaf, latest: string | null, tell: Tell): string {
  if (latest === null || row.recordedAt >= latest) return row.recordedAt;
  tell({
    ...place,
    code: 'TIME_WENT_BACK',
    index: row.index,
    table: 'leaf',
    expected: `recorded_at not before ${latest}`,
    found: row.recordedAt,
  });
  return latest;
}

/** The topic of a log's name; null: no log of ours has it. */
export function topicOf(log: string): (typeof TOPICS)[number] | null {
  const [name, generation, more] = log.split('.');
  if (more !== undefined || (generation !== undefined && !/^([2-9]|[1-9][0-9]{1,8})$/.test(generation))) return null;
  return TOPICS.find((topic) => topic === name) ?? null;
}
