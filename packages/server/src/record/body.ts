import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { commit, equalBytes, hex, hkdfExtract, hmacSha256, sizeClass } from '@sworn/evidence';

/** A data key, ready to derive from. `prk` is HKDF-Extract (RFC 5869, empty salt) of the 32 random bytes that are stored wrapped. */
export interface DataKey {
  /** `dk` in leaves: a UUID. */
  readonly id: string;
  readonly prk: Uint8Array;
}

/** Where a body belongs. It is bound into key, salt and associated data, so a body moved to another record or path does not open. */
export interface BodyAddress {
  /** Of the log, generation included. */
  readonly origin: string;
  readonly eventKey: Uint8Array;
  /** Member of the leaf's `c`. */
  readonly path: string;
}

/** What a leaf says of a body, under its path in `c`. */
export interface Commitment {
  /** HMAC-SHA256 commitment to the value, hex. */
  readonly pc: string;
  /** SHA-256 of the stored bytes, hex. */
  readonly ch: string;
  /** Size class of the value: the smallest power of two ≥ its length. */
  readonly n: number;
}

export interface SealedBody extends Commitment {
  /** nonce[12] ‖ ciphertext ‖ tag[16]. */
  readonly body: Uint8Array;
}

/** What reading a body found. `ciphertext`: not the bytes the leaf names; `key`: does not open; `commitment`: opens to another value. */
export type OpenedBody =
  | { readonly kind: 'open'; readonly value: Uint8Array; readonly salt: Uint8Array }
  | { readonly kind: 'damaged'; readonly check: 'ciphertext' | 'key' | 'commitment' };

/** First byte of the plaintext: how the value is written after it. */
const RAW = 0;
const DEFLATED = 1;
/**
 * Shortest value worth trying to deflate. A try costs 11 µs however small the value, since zlib sets its state up anew each time;
 * that is as much as all the other work on a body, and below a kilobyte it saves a few hundred bytes of a row at most.
 */
const DEFLATE_FROM_BYTES = 1_024;
/** Level 1 takes OTLP bodies to a third; level 6 gains 1 % of that for twice the time on long ones. */
const DEFLATE = { level: 1 };
/** For values that a window of 4 KiB nearly holds: a tenth of the memory, which is what makes a try dear. */
const DEFLATE_SHORT = { level: 1, windowBits: 12, memLevel: 5 };
const SHORT_BYTES = 8_192;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** HKDF-Extract with an empty salt: what `DataKey.prk` is. */
export function extractKey(key: Uint8Array): Uint8Array {
  return hkdfExtract(new Uint8Array(32), key);
}

/** Encrypts and commits to one value (INTEGRITY.md, "Bodies, keys, erasure"). Synchronous: 30 µs for a kilobyte. */
export function sealBody(dataKey: DataKey, address: BodyAddress, value: Uint8Array): SealedBody {
  const body = sealValue(dataKey, address, value);
  return {
    body,
    pc: hex(commit(derive(dataKey, SALT, tupleOf(address)), address.path, value)),
    ch: hash('sha256', body, 'hex'),
    n: sizeClass(value.length),
  };
}

/** Decrypts a stored body and holds it against its leaf. The salt discloses the value to whoever is shown both. */
export function openBody(dataKey: DataKey, address: BodyAddress, stored: SealedBody): OpenedBody {
  if (hash('sha256', stored.body, 'hex') !== stored.ch) return { kind: 'damaged', check: 'ciphertext' };
  return openCiphertext(dataKey, address, stored);
}

/** The same for a body whose hash was held against its leaf. */
export function openCiphertext(
  dataKey: DataKey,
  address: BodyAddress,
  stored: Omit<SealedBody, 'ch'>,
): Exclude<OpenedBody, { readonly check: 'ciphertext' }> {
  const value = openValue(dataKey, address, stored.body, stored.n);
  if (value === null) return { kind: 'damaged', check: 'key' };
  const salt = derive(dataKey, SALT, tupleOf(address));
  const committed = equalBytes(commit(salt, address.path, value), Buffer.from(stored.pc, 'hex'));
  return committed ? { kind: 'open', value, salt } : { kind: 'damaged', check: 'commitment' };
}

/** Encrypts a value that no leaf commits to: nonce[12] ‖ ciphertext ‖ tag[16]. */
export function sealValue(dataKey: DataKey, address: BodyAddress, value: Uint8Array): Uint8Array {
  const tuple = tupleOf(address);
  const nonce = randomSlice(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', derive(dataKey, VALUE, tuple), nonce);
  cipher.setAAD(tuple);
  const plain = plainOf(value);
  return Buffer.concat([
    nonce,
    cipher.update(plain.flag),
    cipher.update(plain.bytes),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
}

/**
 * Opens what `sealValue` made, inflated to at most `maxBytes`: whoever holds the keys cannot make a reader inflate more.
 * Null when it does not open.
 */
export function openValue(
  dataKey: DataKey,
  address: BodyAddress,
  stored: Uint8Array,
  maxBytes: number,
): Uint8Array | null {
  const tuple = tupleOf(address);
  const plain = decrypt(derive(dataKey, VALUE, tuple), tuple, stored);
  const rest = plain?.subarray(1);
  if (rest === undefined || plain?.[0] === RAW) return rest ?? null;
  if (plain?.[0] !== DEFLATED) return null;
  try {
    return inflateRawSync(rest, { maxOutputLength: maxBytes });
  } catch {
    return null;
  }
}

const VALUE = Buffer.from('sworn.value/1\0');
const SALT = Buffer.from('sworn.salt/1\0');
const ONE = Buffer.from([1]);

/** HKDF-Expand (RFC 5869) to 32 bytes: one block, T(1) = HMAC(PRK, info ‖ 01), info = purpose ‖ 00 ‖ tuple. */
function derive(dataKey: DataKey, purpose: Uint8Array, tuple: Uint8Array): Uint8Array {
  return hmacSha256(dataKey.prk, purpose, tuple, ONE);
}

/** origin ‖ 00 ‖ length of event key[1] ‖ event key ‖ path. Origins hold no NUL, so no two addresses are written alike. */
function tupleOf({ origin, eventKey, path }: BodyAddress): Uint8Array {
  const tuple = Buffer.allocUnsafe(origin.length + 2 + eventKey.length + path.length);
  let at = tuple.write(origin, 0, 'latin1');
  tuple[at++] = 0;
  tuple[at++] = eventKey.length;
  tuple.set(eventKey, at);
  tuple.write(path, at + eventKey.length, 'latin1');
  return tuple;
}

const RAW_FLAG = Buffer.from([RAW]);
const DEFLATED_FLAG = Buffer.from([DEFLATED]);

function plainOf(value: Uint8Array): { readonly flag: Uint8Array; readonly bytes: Uint8Array } {
  if (value.length >= DEFLATE_FROM_BYTES) {
    const deflated = deflateRawSync(value, value.length <= SHORT_BYTES ? DEFLATE_SHORT : DEFLATE);
    if (deflated.length <= value.length * 0.9) return { flag: DEFLATED_FLAG, bytes: deflated };
  }
  return { flag: RAW_FLAG, bytes: value };
}

function decrypt(key: Uint8Array, tuple: Uint8Array, body: Uint8Array): Uint8Array | null {
  if (body.length < NONCE_BYTES + TAG_BYTES + 1) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(tuple);
  decipher.setAuthTag(body.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}

const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let taken = 0;

/** `length` fresh random bytes out of a pool: one call to the system's generator costs 1.7 µs however few bytes it gives. */
export function randomSlice(length: number): Buffer {
  if (taken + length > pool.length) {
    pool = randomBytes(POOL_BYTES);
    taken = 0;
  }
  taken += length;
  return pool.subarray(taken - length, taken);
}
