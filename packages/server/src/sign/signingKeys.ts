import { verify } from 'node:crypto';
import { hex, type JsonValue, unbase64, unhex, utf8 } from '@sworn/evidence';
import { type ProofDeps, readVouchedOf, type VouchedLeaf } from '../access/directory.js';
import { type Database, inTenant, type Tx } from '../store/database.js';
import { ed25519Key } from './ourCheckpoint.js';

/** Sizes by the stored name of a log. */
export type SizeByLog = Readonly<Record<string, number>>;

/** A key that signs, or signed, the checkpoints of a tenant's logs. */
export interface SigningKey {
  /** Raw Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The first size it signs; a log that is not named did not exist when the key came: 0. */
  readonly from: SizeByLog;
  /** The last size it signed; a log that is not named came later: none. Null: it signs on. */
  readonly last: SizeByLog | null;
}

/** Sizes that a key is valid for, both included; `last` null: all from `from` on. */
export interface SizeRange {
  readonly from: number;
  readonly last: number | null;
}

/** The sizes of `log` that the key signs; null when there are none. */
export function rangeOf(key: SigningKey, log: string): SizeRange | null {
  const from = key.from[log] ?? 0;
  const last = key.last === null ? null : (key.last[log] ?? 0);
  return last !== null && last < Math.max(from, 1) ? null : { from, last };
}

/** The one key that is valid for this size of `log`; null when none is. */
export function keyAt(keys: readonly SigningKey[], log: string, size: number): Uint8Array | null {
  for (const key of keys) {
    const range = rangeOf(key, log);
    if (range !== null && size >= range.from && (range.last === null || size <= range.last)) return key.publicKey;
  }
  return null;
}

/** What the outgoing key signs of its successor (docs/spec/checkpoint.md, "Keys"). No checkpoint reads like it: its second line is no size. */
export function handOverText(handOver: {
  /** Of the `control` log that says so. */
  readonly origin: string;
  readonly publicKey: Uint8Array;
  readonly from: SizeByLog;
}): Uint8Array {
  const { origin, publicKey, from } = handOver;
  const logs = Object.keys(from).sort();
  return utf8(
    `sworn.signing-key/1\n${origin}\n${hex(publicKey)}\n${logs.map((log) => `${log} ${from[log]}\n`).join('')}`,
  );
}

/**
 * The keys of a tenant's logs, oldest first, from leaves of its `control` that Sworn wrote, in their order. A key counts only if the one
 * before it signed for it. That a key was retired is looked for in two places, its own leaf and its successor's: whoever hides one of
 * them does not bring it back.
 */
function signingKeysOf(leaves: readonly VouchedLeaf[]): readonly SigningKey[] {
  const keys: SigningKey[] = [];
  for (const { kind, members } of leaves) {
    if (kind !== 'SIGNING_KEY_ADDED') continue;
    const publicKey = bytesOf(members.public_key, 32);
    if (publicKey === null) continue;
    const before = keys.at(-1);
    if (before === undefined) {
      if (members.previous === undefined) keys.push({ publicKey, from: {}, last: null });
      continue;
    }
    const from = sizesOf(members.from);
    if (from === null || members.previous !== hex(before.publicKey) || typeof members.log !== 'string') continue;
    if (!isSigned(before.publicKey, handOverText({ origin: members.log, publicKey, from }), members.signature))
      continue;
    const last = Object.fromEntries(Object.entries(from).map(([log, size]) => [log, size - 1]));
    keys[keys.length - 1] = { ...before, last };
    keys.push({ publicKey, from, last: null });
  }
  return keys.map((key) => retired(key, leaves));
}

function retired(key: SigningKey, leaves: readonly VouchedLeaf[]): SigningKey {
  const leaf = leaves.find((l) => l.kind === 'SIGNING_KEY_RETIRED' && l.members.public_key === hex(key.publicKey));
  const said = leaf === undefined ? null : sizesOf(leaf.members.last);
  if (said === null) return key;
  if (key.last === null) return { ...key, last: said };
  const both = Object.entries(key.last).map(([log, size]) => [log, Math.min(size, said[log] ?? 0)]);
  return { ...key, last: Object.fromEntries(both) as SizeByLog };
}

function isSigned(publicKey: Uint8Array, text: Uint8Array, signature: JsonValue | undefined): boolean {
  if (typeof signature !== 'string') return false;
  try {
    return verify(null, text, ed25519Key(publicKey), unbase64(signature));
  } catch {
    // Not base64: nobody signed it.
    return false;
  }
}

function bytesOf(value: JsonValue | undefined, length: number): Uint8Array | null {
  return typeof value === 'string' && value.length === 2 * length && /^[0-9a-f]*$/.test(value) ? unhex(value) : null;
}

function sizesOf(value: JsonValue | undefined): SizeByLog | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const sizes = Object.entries(value);
  return sizes.every(([, size]) => Number.isSafeInteger(size) && Number(size) >= 0)
    ? (Object.fromEntries(sizes) as SizeByLog)
    : null;
}

/** The keys of a tenant's logs, read in this transaction; empty when its `control` names none that Sworn wrote. */
export async function readSigningKeys(proof: ProofDeps, tx: Tx, tenantId: string): Promise<readonly SigningKey[]> {
  return signingKeysOf(await readVouchedOf(proof, tx, tenantId, ['SIGNING_KEY_ADDED', 'SIGNING_KEY_RETIRED']));
}

/** The keys of a tenant's logs, as they were at most `maxAgeMs` ago; 0: now. */
export type SigningKeysOf = (tenantId: string, maxAgeMs: number) => Promise<readonly SigningKey[]>;

/** Tenants whose keys are held, about 500 bytes each. */
const TENANTS_HELD = 10_000;

/**
 * Reads the keys of logs, and holds them for who may take old ones. By the checker's connections: a read that holds one of the reader's
 * would wait for a second one among others that do the same.
 */
export function createSigningKeys(deps: ProofDeps & { readonly db: Database }): SigningKeysOf {
  const held = new Map<string, { readonly at: number; readonly keys: readonly SigningKey[] }>();
  return async (tenantId, maxAgeMs) => {
    const known = held.get(tenantId);
    if (known !== undefined && performance.now() - known.at < maxAgeMs) return known.keys;
    const at = performance.now();
    const keys = await inTenant(deps.db, 'checker', tenantId, (tx) => readSigningKeys(deps, tx, tenantId));
    held.delete(tenantId);
    held.set(tenantId, { at, keys });
    const oldest = held.keys().next();
    if (held.size > TENANTS_HELD && !oldest.done) held.delete(oldest.value);
    return keys;
  };
}
