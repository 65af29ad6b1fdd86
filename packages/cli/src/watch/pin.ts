import { createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import {
  type Checkpoint,
  fromUtf8,
  Malformed,
  type Note,
  parseCheckpoint,
  parseNote,
  parseVkey,
  signatureBy,
  verifyNote,
  type Vkey,
} from '@sworn/evidence';

/** What is pinned of a log: its keys, oldest first, as they were rotated; all have the origin as their name. */
export interface Pin {
  readonly origin: string;
  /** At least one. */
  readonly keys: readonly Vkey[];
}

/** What a note turned out to be, under the pinned keys. */
export type Judged =
  /** `key`: place of the newest pinned key that signed it. */
  | { readonly kind: 'signed'; readonly checkpoint: Checkpoint; readonly key: number }
  | { readonly kind: 'wrong'; readonly finding: NoteFinding; readonly detail: string }
  /** No signed note at all: an error page, say. It is evidence of nothing. */
  | { readonly kind: 'no note' };

/** What a signed note can be wrong in by itself. */
export type NoteFinding = 'WRONG_ORIGIN' | 'WRONG_KEY' | 'BAD_SIGNATURE' | 'MALFORMED_CHECKPOINT';

/**
 * The key to pin: a verifier key line (C2SP signed-note), or a file of such lines, as `sworn log key` prints them. Of several lines those count
 * whose name ends as the log's URL does, in `/<tenant id>/<log>`.
 * @throws Error a sentence: no such file, a line that is no key, none or more than one for this log
 */
export function readPin(given: string, log: URL): Pin {
  if (!existsSync(given)) {
    if (/^[^+]+\+[^+]+\+[^+]/.test(given)) return pinOf([keyOf(given.trim(), '--key')]);
    throw new Error(`--key: ${given} is neither a file nor a verifier key line`);
  }
  const keys = readFileSync(given, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => keyOf(line, given));
  if (keys.length === 0) throw new Error(`${given} holds no verifier key line`);
  const place = `/${log.pathname.split('/').slice(-2).join('/')}`;
  const mine = keys.length === 1 ? keys : keys.filter(({ name }) => name.endsWith(place));
  if (mine.length > 0 && new Set(mine.map(({ name }) => name)).size === 1) return pinOf(mine);
  throw new Error(
    `${given} holds ${mine.length === 0 ? 'no key' : 'keys of several logs'} for a log that ends in ${place}`,
  );
}

function pinOf(keys: readonly Vkey[]): Pin {
  return { origin: keys[0]?.name ?? '', keys };
}

function keyOf(line: string, from: string): Vkey {
  try {
    return parseVkey(line);
  } catch (error) {
    if (error instanceof Malformed) throw new Error(`${from}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Reads a note under the pinned key. Whoever answers chose these bytes: they are believed as far as the signature goes. */
export function judgeNote(bytes: Uint8Array, { origin: pinned, keys }: Pin): Judged {
  const note = noteOf(bytes);
  if (note === null) return { kind: 'no note' };
  const wrong = (finding: NoteFinding, detail: string): Judged => ({ kind: 'wrong', finding, detail });
  const origin = note.text.split('\n')[0] ?? '';
  if (origin !== pinned) return wrong('WRONG_ORIGIN', `the checkpoint is of ${origin}, the pinned key of ${pinned}`);
  const at = keys.findLastIndex((one) => signatureBy(note, one) !== null);
  const key = keys[at];
  if (key === undefined) {
    const names = note.signatures.map(({ name, keyId }) => `${name}+${Buffer.from(keyId).toString('hex')}`);
    return wrong('WRONG_KEY', `the pinned key did not sign it; ${names.join(', ')} claims to have`);
  }
  if (!verifyNote(note, key, verifyEd25519))
    return wrong('BAD_SIGNATURE', 'the signature of the pinned key does not verify');
  try {
    return { kind: 'signed', checkpoint: parseCheckpoint(fromUtf8(bytes)), key: at };
  } catch (error) {
    if (error instanceof Malformed)
      return wrong('MALFORMED_CHECKPOINT', `the pinned key signed it, but it is ${error.message}`);
    throw error;
  }
}

function noteOf(bytes: Uint8Array): Note | null {
  try {
    return parseNote(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** The prefix is RFC 8410's SubjectPublicKeyInfo of an Ed25519 key. */
function verifyEd25519(raw: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}
