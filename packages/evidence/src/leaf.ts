import { equalBytes } from './bytes.js';
import { isSizeClass } from './commitment.js';
import type { JsonObject, JsonRules, JsonValue } from './json.js';
import { parseJson } from './jsonReader.js';
import { writeCanonical } from './jsonWriter.js';
import { LeafRefused } from './malformed.js';
import { isTimestamp } from './time.js';

/** The only leaf format there is; its name is in every leaf. */
export const LEAF_TYPE = 'sworn.leaf/1';

/** Largest leaf. A wide STEP is about 2 KiB; entry tiles of C2SP cap an entry at 64 KiB. */
const MAX_LEAF_BYTES = 16 * 1024;
const MAX_LEAF_LIST_ITEMS = 64;
/** What leaves need is 3. */
const MAX_LEAF_DEPTH = 8;

const RULES: JsonRules = {
  maxBytes: MAX_LEAF_BYTES,
  maxDepth: MAX_LEAF_DEPTH,
  maxListItems: MAX_LEAF_LIST_ITEMS,
  // `-` is there for log names, which are the members of `sizes`.
  memberName: /^[a-z0-9_.-]{1,64}$/,
  refuse: (code, detail) => new LeafRefused(code, detail),
};

/** What a leaf commits to under one path of `c`. */
export type Committed = {
  /** Commitment to the value (`commit`), 64 hex. */
  readonly pc: string;
  /** SHA-256 of the ciphertext as stored, 64 hex. */
  readonly ch: string;
  /** Size class of the value in bytes (`sizeClass`). */
  readonly n: number;
};

/** The members of a leaf, before it is written; docs/spec/leaf.md has the table. Members beside the named ones belong to the kind. */
export interface LeafFields {
  readonly t: typeof LEAF_TYPE;
  /** Origin of the log: `<deployment>/<tenant id>/<log>`. */
  readonly log: string;
  /** Upper-case, e.g. `STEP`. */
  readonly kind: string;
  readonly by: 'sworn' | 'producer';
  /** Id (UUID) of the ingest key that authenticated a producer; absent when `by` is `sworn`. */
  readonly key?: string;
  /** 48 hex for a span, else 64. */
  readonly event_key: string;
  readonly occurred_at: string;
  readonly recorded_at: string;
  /** Mapping version. */
  readonly map?: number;
  readonly c?: { readonly [path: string]: Committed };
  /** Id (UUID) of the data key of everything in `c`; there exactly when `c` is. */
  readonly dk?: string;
  /** 16 random bytes, 32 hex. */
  readonly r: string;
  readonly [member: string]: JsonValue;
}

/** A leaf that was read and found canonical. */
export interface Leaf {
  readonly log: string;
  readonly kind: string;
  readonly by: 'sworn' | 'producer';
  readonly key: string | null;
  /** Hex. */
  readonly eventKey: string;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly map: number | null;
  readonly c: { readonly [path: string]: Committed } | null;
  readonly dk: string | null;
  readonly r: string;
  /** Every member, those above included, as written. */
  readonly fields: JsonObject;
}

/**
 * The bytes of a leaf: JCS of its members, in a new array that belongs to the caller. Everything is checked first; nothing is corrected.
 * @throws LeafRefused
 */
export function encodeLeaf(fields: LeafFields): Uint8Array {
  checkEnvelope(fields);
  return writeCanonical(fields, RULES);
}

/**
 * Reads a leaf as a verifier does: strict I-JSON, known type, well-formed envelope, and byte for byte what `encodeLeaf` writes.
 * @throws LeafRefused
 */
export function decodeLeaf(bytes: Uint8Array): Leaf {
  const value = parseJson(bytes, RULES);
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new LeafRefused('member', 'a leaf is an object');
  const fields = value as JsonObject;
  if (fields.t !== LEAF_TYPE) throw new LeafRefused('unknown_type', 'not a sworn.leaf/1');
  checkEnvelope(fields);
  if (!equalBytes(writeCanonical(fields, RULES), bytes))
    throw new LeafRefused('not_canonical', 'not in canonical form');
  return {
    log: fields.log,
    kind: fields.kind,
    by: fields.by,
    key: fields.key ?? null,
    eventKey: fields.event_key,
    occurredAt: fields.occurred_at,
    recordedAt: fields.recorded_at,
    map: fields.map ?? null,
    c: fields.c ?? null,
    dk: fields.dk ?? null,
    r: fields.r,
    fields,
  };
}

const ORIGIN =
  /^[a-z0-9][a-z0-9.-]{0,62}\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\/(?:llm-runs|system|audit|access|control)(?:\.(?:[2-9]|[1-9][0-9]{1,8}))?$/;
const KIND = /^[A-Z][A-Z0-9_]{0,63}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const EVENT_KEY = /^(?:[0-9a-f]{48}|[0-9a-f]{64})$/;
const RANDOM = /^[0-9a-f]{32}$/;
const HASH = /^[0-9a-f]{64}$/;
const PATH = /^[a-z0-9_.]{1,64}$/;

/** Refuses a leaf whose common members are not those of docs/spec/leaf.md, "Envelope". */
function checkEnvelope(fields: JsonObject): asserts fields is JsonObject & LeafFields {
  if (fields.t !== LEAF_TYPE) throw new LeafRefused('unknown_type', 'not a sworn.leaf/1');
  demand('log', fields.log, ORIGIN);
  demand('kind', fields.kind, KIND);
  demand('event_key', fields.event_key, EVENT_KEY);
  demand('r', fields.r, RANDOM);
  demandTime('occurred_at', fields.occurred_at);
  demandTime('recorded_at', fields.recorded_at);
  if (fields.by === 'producer') demand('key', fields.key, UUID);
  else if (fields.by !== 'sworn') throw wrong('by');
  else if (fields.key !== undefined) throw wrong('key');
  const { map } = fields;
  if (map !== undefined && !(typeof map === 'number' && map >= 1)) throw wrong('map');
  if (fields.c === undefined) {
    if (fields.dk !== undefined) throw wrong('dk');
  } else {
    demand('dk', fields.dk, UUID);
    checkCommitted(fields.c);
  }
}

function checkCommitted(c: JsonValue): void {
  const paths = Object.entries(objectOf(c));
  if (paths.length === 0) throw wrong('c');
  for (const [path, committed] of paths) {
    const { pc, ch, n, ...others } = objectOf(committed);
    if (!PATH.test(path) || Object.keys(others).length > 0) throw wrong('c');
    demand('pc', pc, HASH);
    demand('ch', ch, HASH);
    if (typeof n !== 'number' || !isSizeClass(n)) throw wrong('n');
  }
}

function objectOf(value: JsonValue): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw wrong('c');
  return value as JsonObject;
}

function demand(member: string, value: JsonValue | undefined, shape: RegExp): void {
  if (typeof value !== 'string' || !shape.test(value)) throw wrong(member);
}

function demandTime(member: string, value: JsonValue | undefined): void {
  if (typeof value !== 'string' || !isTimestamp(value)) throw wrong(member);
}

function wrong(member: string): LeafRefused {
  return new LeafRefused('member', `member ${member} is missing, misshapen or out of place`);
}
