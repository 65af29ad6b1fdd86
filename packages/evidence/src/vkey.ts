import { sha256 } from '#sha256';
import { base64, concat, hex, unbase64, utf8 } from './bytes.js';
import { Malformed } from './malformed.js';

/** Signature type of Ed25519 in C2SP signed-note. */
const ED25519 = 0x01;
const PUBLIC_KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const MAX_KEY_NAME_CHARS = 255;

/** A key that verifies notes: an Ed25519 public key under a name. */
export interface Vkey {
  readonly name: string;
  /** 4 bytes: a hint that selects a key, not a fingerprint to rely on. */
  readonly keyId: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Whether a key may have this name: printable ASCII without space and plus, 1 to 255 characters. Narrower than C2SP, which allows more scripts. */
export function isKeyName(name: string): boolean {
  return name.length <= MAX_KEY_NAME_CHARS && /^[!-*,-~]+$/.test(name);
}

/** Key id (C2SP signed-note, "Signature types"): the first 4 bytes of SHA-256(name ‖ 0A ‖ 01 ‖ public key). */
export function noteKeyId(name: string, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(`${name}\n`), Uint8Array.of(ED25519), publicKey).slice(0, KEY_ID_BYTES);
}

/** The verifier key line `<name>+<key id, 8 hex>+<base64(01 ‖ public key)>`; a wrong name or length is a bug of the caller. */
export function vkeyOf(name: string, publicKey: Uint8Array): string {
  if (!isKeyName(name)) throw new Malformed('key_name', 'not the name of a key');
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError('an Ed25519 public key has 32 bytes');
  return `${name}+${hex(noteKeyId(name, publicKey))}+${base64(concat(Uint8Array.of(ED25519), publicKey))}`;
}

/**
 * The key of a verifier key line, without a line end. Only Ed25519, only if the id is right, only in the one spelling.
 * @throws Malformed `vkey`
 */
export function parseVkey(line: string): Vkey {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(line) ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name))
    throw new Malformed('vkey', 'not a verifier key');
  const typed = unbase64(encoded);
  const publicKey = typed.slice(1);
  const keyId = noteKeyId(name, publicKey);
  if (typed[0] !== ED25519) throw new Malformed('vkey', 'not an Ed25519 key');
  if (hex(keyId) !== id) throw new Malformed('vkey', 'the key id is not that of this name and key');
  return { name, keyId, publicKey };
}
