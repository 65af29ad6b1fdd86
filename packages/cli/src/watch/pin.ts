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

/** What a note turned out to be, under the pinned key. */
export type Judged =
  | { readonly kind: 'signed'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'wrong'; readonly finding: NoteFinding; readonly detail: string }
  /** No signed note at all: an error page, say. It is evidence of nothing. */
  | { readonly kind: 'no note' };

/** What a signed note can be wrong in by itself. */
export type NoteFinding = 'WRONG_ORIGIN' | 'WRONG_KEY' | 'BAD_SIGNATURE' | 'MALFORMED_CHECKPOINT';

/**
 * The key to pin: a verifier key line (C2SP signed-note), or a file of such lines, as `sworn log key` prints them. Of several lines it is the one
 * whose name ends as the log's URL does, in `/<tenant id>/<log>`.
 * @throws Error a sentence: no such file, a line that is no key, none or more than one for this log
 */
export function readPin(given: string, log: URL): Vkey {
  if (!existsSync(given)) {
    if (/^[^+]+\+[^+]+\+[^+]/.test(given)) return keyOf(given.trim(), '--key');
    throw new Error(`--key: ${given} is neither a file nor a verifier key line`);
  }
  const keys = readFileSync(given, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => keyOf(line, given));
  const [only] = keys;
  if (only === undefined) throw new Error(`${given} holds no verifier key line`);
  if (keys.length === 1) return only;
  const place = `/${log.pathname.split('/').slice(-2).join('/')}`;
  const [mine, another] = keys.filter(({ name }) => name.endsWith(place));
  if (mine !== undefined && another === undefined) return mine;
  throw new Error(`${given} holds ${mine === undefined ? 'no key' : 'several keys'} for a log that ends in ${place}`);
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
export function judgeNote(bytes: Uint8Array, key: Vkey): Judged {
  const note = noteOf(bytes);
  if (note === null) return { kind: 'no note' };
  const wrong = (finding: NoteFinding, detail: string): Judged => ({ kind: 'wrong', finding, detail });
  const origin = note.text.split('\n')[0] ?? '';
  if (origin !== key.name)
    return wrong('WRONG_ORIGIN', `the checkpoint is of ${origin}, the pinned key of ${key.name}`);
  if (signatureBy(note, key) === null) {
    const names = note.signatures.map(({ name, keyId }) => `${name}+${Buffer.from(keyId).toString('hex')}`);
    return wrong('WRONG_KEY', `the pinned key did not sign it; ${names.join(', ')} claims to have`);
  }
  if (!verifyNote(note, key, verifyEd25519))
    return wrong('BAD_SIGNATURE', 'the signature of the pinned key does not verify');
  try {
    return { kind: 'signed', checkpoint: parseCheckpoint(fromUtf8(bytes)) };
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
