import type { Finding } from '@sworn/contract';
import { decodeLeaf, equalBytes, hex, type JsonValue, leafHash, type Members, membersOf } from '@sworn/evidence';
import type { ProvenMember } from '../store/members.js';
import { namesOf } from '../store/runNames.js';
import type { LeaflessRun, StoredLeaf, StoredRun } from '../store/runs.js';

/** A stored record after check V6: either its leaf is what its hash and its columns say, or there is a finding. */
export type Checked<S> =
  | { readonly kind: 'sound'; readonly stored: S; readonly members: Members }
  | { readonly kind: 'compromised'; readonly stored: Damaged; readonly finding: Finding };

/** Where a damaged record stands, and what is there of it. */
export interface Damaged {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array | null;
}

/** Holds a leaf against its hash and the columns beside it. `origin` is that of the log it was read from. */
export function checkLeaf<S extends StoredLeaf>(stored: S, origin: string): Checked<S> {
  const compromised = findingOf(stored);
  if (!equalBytes(leafHash(stored.leaf), stored.leafHash))
    return compromised('V4', 'LEAF_HASH_MISMATCH', 'the bytes do not hash to leaf_hash');
  const members = decode(stored.leaf);
  if (members === null) return compromised('V4', 'LEAF_MALFORMED', 'the bytes are not a canonical leaf');
  const expected: Record<string, Cell> = {
    log: members.log,
    kind: members.kind,
    event_key: members.event_key,
    occurred_at: members.occurred_at,
    recorded_at: members.recorded_at,
    dk: members.dk,
    // Only a step stands in its trace's index; a run names its trace in the projection.
    trace_id: isOfTrace(stored.kind) ? members.trace_id : null,
    run_id: isOfTrace(stored.kind) ? null : members.run_id,
  };
  const found: Record<string, Cell> = {
    log: origin,
    kind: stored.kind,
    event_key: stored.eventKey,
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    dk: stored.dk,
    trace_id: stored.traceId,
    run_id: stored.runId,
  };
  const differs = firstDifference(expected, found);
  if (differs !== null) return compromised('V6', 'COLUMN_MISMATCH', `column ${differs} is not what the leaf says`);
  return { kind: 'sound', stored, members: membersOf(members) };
}

/**
 * Holds the bytes of a leaf against their hash (V4) and their own log, and reads them; not their form, nor the columns beside them. For
 * leaves that are not returned themselves and whose hashes are held against a sealed tree (V9): a tenth of the work of `checkLeaf`.
 */
export function checkBytes<S extends Damaged & { readonly leaf: Uint8Array; readonly leafHash: Uint8Array }>(
  stored: S,
  origin: string,
): Checked<S> {
  const compromised = findingOf(stored);
  if (!equalBytes(leafHash(stored.leaf), stored.leafHash))
    return compromised('V4', 'LEAF_HASH_MISMATCH', 'the bytes do not hash to leaf_hash');
  const members = parse(stored.leaf);
  if (members === null) return compromised('V4', 'LEAF_MALFORMED', 'the bytes are not a leaf');
  if (members.log !== origin) return compromised('V6', 'COLUMN_MISMATCH', 'column log is not what the leaf says');
  return { kind: 'sound', stored, members: membersOf(members) };
}

/** Holds a row of `run_members` against its MEMBER leaf, and the leaf against its hash. */
export function checkMember(stored: ProvenMember, origin: string): Checked<ProvenMember> {
  const { leaf, leafHash: hash } = stored;
  if (leaf === null || hash === null) return findingOf(stored)('V10', 'STRAY_ROW', 'a projection row without its leaf');
  const checked = checkBytes({ ...stored, leaf, leafHash: hash }, origin);
  if (checked.kind === 'compromised') return checked;
  const m = checked.members;
  const expected = {
    kind: m.text('kind'),
    run_id: m.text('run_id'),
    trace_id: m.text('trace_id'),
    whole: m.flag('whole'),
    roots: m.texts('roots'),
  };
  const { runId, traceId, whole, roots } = stored;
  const found = { kind: 'MEMBER', run_id: runId, trace_id: traceId, whole, roots };
  const differs = firstDifference(expected, found);
  if (differs !== null)
    return findingOf(stored)('V6', 'PROJECTION_MISMATCH', `run_members.${differs} is not what the leaf says`);
  return checked;
}

/** Holds a run's projection row against its leaf, and the leaf against its columns. */
export function checkRun(stored: StoredRun | LeaflessRun, origin: string): Checked<StoredRun> {
  if (stored.leaf === null) return findingOf(stored)('V10', 'STRAY_ROW', 'a projection row without its leaf');
  const checked = checkLeaf(stored, origin);
  if (checked.kind === 'compromised') return checked;
  const differs = firstDifference(runColumnsOf(checked.members, stored), stored.columns);
  if (differs !== null)
    return findingOf(stored)('V6', 'PROJECTION_MISMATCH', `llm_run_records.${differs} is not what the leaf says`);
  return checked;
}

/** A column's value, or what a leaf says in its place; bytes and their hex are the same. */
type Cell = JsonValue | Uint8Array | readonly string[] | undefined;

/** Name of the first column that differs, or null. */
function firstDifference(
  expected: Readonly<Record<string, Cell>>,
  found: Readonly<Record<string, Cell>>,
): string | null {
  return Object.keys(expected).find((name) => differ(expected[name], found[name])) ?? null;
}

/** Leaf after leaf the same few texts and bytes are compared, so these go without being written anew. */
function differ(a: Cell, b: Cell): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a !== b;
  if (typeof a === 'string' && b instanceof Uint8Array) return a.length !== b.length * 2 || a !== hex(b);
  return comparable(a) !== comparable(b);
}

function comparable(value: Cell): string {
  if (value instanceof Uint8Array) return JSON.stringify(hex(value));
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return 'null';
  return JSON.stringify(value);
}

/** What `llm_run_records` must hold beside an OPENED or RUN leaf. */
export function runColumnsOf(
  m: Members,
  leaf: Pick<StoredLeaf, 'kind' | 'index' | 'occurredAt'>,
): Readonly<Record<string, Cell>> {
  const isOpened = leaf.kind === 'OPENED';
  return {
    kind: leaf.kind,
    run_id: m.text('run_id'),
    revision: isOpened ? 0 : m.count('revision'),
    run_index: isOpened ? leaf.index : m.count('run_index'),
    run_occurred_at: isOpened ? leaf.occurredAt : m.text('run_occurred_at'),
    trace_id: m.text('trace_id'),
    conversation_id: m.text('conversation_id'),
    correlation_id: m.text('correlation_id'),
    agent_id: m.text('agent_id'),
    human_actor_id: m.text('human_actor_id'),
    executor_type: m.text('executor_type'),
    provider: m.text('provider'),
    model: m.text('model'),
    tools: m.texts('tools'),
    service: m.text('service'),
    environment: m.text('environment'),
    release: m.text('release'),
    execution_status: isOpened ? 'RUNNING' : m.text('execution_status'),
    waiting_for: m.text('waiting_for'),
    superseded_by: m.text('superseded_by'),
    outcome: m.text('outcome'),
    error_type: m.text('error_type'),
    policy_ids: m.texts('policy_ids'),
    incident_ids: m.texts('incident_ids'),
    had_errors: isOpened ? false : m.flag('had_errors'),
    is_synthetic: m.flag('is_synthetic'),
    source: m.text('source'),
    cost_nano_usd: m.count('cost_nano_usd'),
    duration_us: m.count('duration_us'),
    started_at: isOpened ? leaf.occurredAt : m.text('started_at'),
    completed_at: m.text('completed_at'),
    run_names: namesOf({
      tools: m.texts('tools'),
      policyIds: m.texts('policy_ids'),
      incidentIds: m.texts('incident_ids'),
    })
      .map(([field, value]) => `${field} ${value}`)
      .toSorted(),
  };
}

function isOfTrace(kind: string): boolean {
  return kind === 'STEP' || kind === 'CONFLICT';
}

function decode(leaf: Uint8Array): Fields | null {
  try {
    return decodeLeaf(leaf).fields;
  } catch {
    // Whatever stands there now is not a leaf; the caller says so with the bytes.
    return null;
  }
}

type Fields = Readonly<Record<string, JsonValue>>;

function parse(leaf: Uint8Array): Fields | null {
  try {
    const value = JSON.parse(Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength).toString('utf8')) as JsonValue;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function findingOf(stored: Damaged) {
  return (check: Finding['check'], code: Finding['code'], detail: string) =>
    ({
      kind: 'compromised',
      stored,
      finding: { check, code, log: stored.log, leaf_index: stored.index, detail },
    }) as const;
}
