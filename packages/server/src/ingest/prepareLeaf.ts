import { encodeLeaf, hex, type JsonValue, type LeafFields, LeafRefused } from '@sworn/evidence';
import { randomSlice, type SealedBody } from '../record/body.js';
import { RECORDED_AT_ROOM } from '../record/ownLeaf.js';
import type { Removal } from '../record/redact/redactor.js';

/** Removals that a leaf lists; it counts the others. */
const REDACTED_LISTED = 64;
/** Stands for a leaf hash until the sequencer knows it; the same 64 characters wide. */
const HASH_ROOM = '0'.repeat(64);

/** The members of a producer's leaf that do not come from its content. */
export interface LeafHead {
  readonly origin: string;
  readonly kind: string;
  /** Ingest key that sent it. */
  readonly keyId: string;
  readonly eventKey: Uint8Array;
  readonly occurredAt: string;
  /** Null: it commits to nothing of its own. */
  readonly body: SealedBody | null;
  readonly dk: string | null;
}

/** Members of a leaf beside its envelope; what is not known is not there. */
export type Members = Readonly<Record<string, JsonValue>>;

/** What no leaf of ours is without. None of it is a text that a sender chose, so it always fits. */
const NEEDED: ReadonlySet<string> = new Set(
  `part occurred_basis foreign resource scope source rule event_type category decision reported_by first first_index map map_edit trace_id span_id
   parent_span_id remote_parent step_kind status started_ns ended_ns duration_us metrics points first_at events_left_out`.split(
    /\s+/,
  ),
);

/**
 * The canonical bytes of a producer's leaf. What a leaf cannot hold goes in a fixed order and the leaf says `trimmed`: first the
 * list of removals, then all lists, then every member but the needed ones. The body has it all.
 */
export function encodeProducerLeaf(head: LeafHead, members: Members): Uint8Array {
  for (const kept of KEPT) {
    try {
      return encodeLeaf({ ...kept(members), ...envelope(head) });
    } catch (error) {
      if (!(error instanceof LeafRefused)) throw error;
    }
  }
  return encodeLeaf({ ...only(members, (name) => NEEDED.has(name)), trimmed: true, ...envelope(head) });
}

const KEPT: readonly ((members: Members) => Members)[] = [
  (members) => members,
  (members) => ({
    ...only(members, (name) => name !== 'redacted'),
    ...(Array.isArray(members.redacted) && {
      redacted_more: members.redacted.length + Number(members.redacted_more ?? 0),
    }),
    trimmed: true,
  }),
  (members) => ({ ...only(members, (_, value) => !Array.isArray(value)), trimmed: true }),
];

function only(members: Members, keep: (name: string, value: JsonValue) => boolean): Record<string, JsonValue> {
  const kept: Record<string, JsonValue> = {};
  for (const name in members) {
    const value = members[name] as JsonValue;
    if (keep(name, value)) kept[name] = value;
  }
  return kept;
}

function envelope(head: LeafHead): LeafFields {
  return {
    t: 'sworn.leaf/1',
    log: head.origin,
    kind: head.kind,
    by: 'producer',
    key: head.keyId,
    event_key: hex(head.eventKey),
    occurred_at: head.occurredAt,
    recorded_at: RECORDED_AT_ROOM,
    ...(head.body !== null && { c: { body: { pc: head.body.pc, ch: head.body.ch, n: head.body.n } } }),
    ...(head.dk !== null && { dk: head.dk }),
    r: randomSlice(16).toString('hex'),
  };
}

/** Members that name a RESOURCE leaf, with room for its hash. */
export const SOURCE_ROOM = { resource: HASH_ROOM, scope: HASH_ROOM } as const;

/** The member that names the STEP leaf that a leaf was read from, with room for its hash. */
export const STEP_ROOM = { source: HASH_ROOM } as const;

/** Byte offset of the 64 digits of a member made from `SOURCE_ROOM`. No text can hold the member's name: its quotes are escaped there. */
export function hashOffset(leaf: Uint8Array, member: keyof typeof SOURCE_ROOM | keyof typeof STEP_ROOM): number {
  const name = `"${member}":"`;
  const at = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength).indexOf(name);
  if (at < 0) throw new Error(`a leaf without ${member}`);
  return at + name.length;
}

/** What a leaf says of removals. */
export function redactedMembers(removed: readonly Removal[]): Members {
  if (removed.length === 0) return NOTHING;
  const redacted = removed.slice(0, REDACTED_LISTED).map(({ rule, path, n }) => ({ rule, path, n }));
  const more = removed.length - redacted.length;
  return more > 0 ? { redacted, redacted_more: more } : { redacted };
}

const NOTHING: Members = {};

/** RFC 3339 with six digits of a moment in nanoseconds since 1970 (unsigned 64 bits: up to the year 2554). */
export function timestampOfNs(ns: bigint): string {
  const us = ns / 1_000n;
  const text = new Date(Number(us / 1_000n)).toISOString();
  return `${text.slice(0, -1)}${String(us % 1_000n).padStart(3, '0')}Z`;
}

/** The same of a clock's milliseconds. */
export function timestampOf(at: Date): string {
  return `${at.toISOString().slice(0, -1)}000Z`;
}
