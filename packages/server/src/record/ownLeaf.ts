import { randomBytes } from 'node:crypto';
import { encodeLeaf, hex, type JsonValue, LEAF_TYPE, type LeafFields, sha256, type Topic, utf8 } from '@sworn/evidence';
import type { ProjectionRow } from '../store/projection.js';
import type { LeafDraft } from './draft.js';
import { voucherOf } from './vouched.js';

/** Stands in a prepared leaf until the sequencer knows the time; the same 27 characters wide. */
export const RECORDED_AT_ROOM = '1970-01-01T00:00:00.000000Z';

const RECORDED_AT_MEMBER = '"recorded_at":"';

/** Byte offset of the value of `recorded_at`. Safe against content: a quote inside a JSON string is escaped, so the member name cannot occur in one. */
export function recordedAtOffset(leaf: Uint8Array): number {
  const view = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength);
  const at = view.indexOf(RECORDED_AT_MEMBER);
  if (at < 0) throw new Error('a leaf without recorded_at');
  return at + RECORDED_AT_MEMBER.length;
}

/** A record that Sworn itself makes: `by` is `sworn`, and no ingest key stands in it. */
export interface OwnLeaf {
  readonly topic: Topic;
  readonly origin: string;
  readonly kind: string;
  /** What identifies it beside its kind: a second append with the same identity is a duplicate, never a conflict. */
  readonly identity: readonly string[];
  readonly occurredAt: string;
  readonly fields: Readonly<Record<string, JsonValue>>;
  readonly traceId?: Uint8Array | null;
  readonly runId?: string | null;
  readonly projection: ProjectionRow | null;
  /** A body sealed under `ownEventKey(kind, …identity)`, with its member of `c`. */
  readonly sealed?: {
    readonly body: Uint8Array;
    readonly dk: string;
    readonly pc: string;
    readonly ch: string;
    readonly n: number;
  } | null;
  /** Directory key of a leaf that Sworn will act on: it then says who wrote it (`mac`). */
  readonly vouchedBy?: Uint8Array;
}

/** Prepares a record of Sworn's own for the sequencer. */
export function ownLeaf(own: OwnLeaf): LeafDraft {
  const eventKey = ownEventKey(own.kind, ...own.identity);
  const sealed = own.sealed ?? null;
  const members: LeafFields = {
    t: LEAF_TYPE,
    log: own.origin,
    kind: own.kind,
    by: 'sworn',
    event_key: hex(eventKey),
    occurred_at: own.occurredAt,
    recorded_at: RECORDED_AT_ROOM,
    r: randomBytes(16).toString('hex'),
    ...(sealed === null ? {} : { dk: sealed.dk, c: { body: { pc: sealed.pc, ch: sealed.ch, n: sealed.n } } }),
    ...own.fields,
  };
  const { vouchedBy } = own;
  const leaf = encodeLeaf(vouchedBy === undefined ? members : { ...members, mac: voucherOf(vouchedBy, members) });
  return {
    topic: own.topic,
    kind: own.kind,
    eventKey,
    // Says nothing of the bytes: whoever repeats the identity repeats the record.
    digest: sha256(eventKey),
    traceId: own.traceId ?? null,
    runId: own.runId ?? null,
    occurredAt: own.occurredAt,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [],
    body: sealed?.body ?? null,
    dk: sealed?.dk ?? null,
    projection: own.projection,
    conflict: null,
  };
}

/** Event key of a record of Sworn's own: SHA-256 over its kind and what identifies it, each ended by NUL. */
export function ownEventKey(kind: string, ...identity: readonly string[]): Uint8Array {
  return sha256(...[kind, ...identity].map((part) => utf8(`${part}\0`)));
}
