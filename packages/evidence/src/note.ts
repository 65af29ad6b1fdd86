import { base64, concat, equalBytes, hex, unbase64, utf8 } from './bytes.js';
import { Malformed } from './malformed.js';
import { isKeyName, noteKeyId, type Vkey } from './vkey.js';

/** A checkpoint with witnesses has a few hundred bytes; Go's reader stops at a million too. */
const MAX_NOTE_CHARS = 1_000_000;
/** As many as Go's reader takes. */
const MAX_SIGNATURES = 100;
const KEY_ID_BYTES = 4;
const ED25519_SIGNATURE_BYTES = 64;
const DASH = '\u2014';

/** A signed note (C2SP signed-note): text and who claims to have signed it. Claims only: nothing is verified yet. */
export interface Note {
  /** What is signed, its last newline included. */
  readonly text: string;
  /** At least one, of any signature type, in the order of their lines. */
  readonly signatures: readonly NoteSignature[];
}

/** One signature line. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A key that signs notes. */
export interface NoteSigner {
  readonly name: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature of the message, 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Verifies an Ed25519 signature (64 bytes) of a message under a public key (32 bytes). */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

/**
 * Signs a text and writes the note.
 * @throws Malformed `note` when the text is no note text (it must end in a newline and hold no other control character), `key_name`
 */
export function formatNote(text: string, signers: readonly NoteSigner[]): string {
  checkNoteText(text);
  if (signers.length === 0) throw new Malformed('note', 'nobody signs');
  const message = utf8(text);
  return `${text}\n${signers.map((signer) => signatureLine(signer, message)).join('')}`;
}

function signatureLine({ name, publicKey, sign }: NoteSigner, message: Uint8Array): string {
  if (!isKeyName(name)) throw new Malformed('key_name', 'not the name of a key');
  return `${DASH} ${name} ${base64(concat(noteKeyId(name, publicKey), sign(message)))}\n`;
}

/**
 * Takes a note apart. Signatures of unknown keys and types are kept, as the format wants it.
 * @throws Malformed `note`
 */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE_CHARS) throw new Malformed('note', `${note.length} characters`);
  // The text may hold empty lines itself: the last one is the border.
  const border = note.lastIndexOf('\n\n');
  if (border < 0 || !note.endsWith('\n')) throw new Malformed('note', 'no signatures');
  const text = note.slice(0, border + 1);
  checkNoteText(text);
  const lines = note.slice(border + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new Malformed('note', `${lines.length} signatures`);
  const signatures = lines.map(parseSignature);
  // C2SP leaves open what two lines of one key mean: readers could differ about which of them counts.
  if (new Set(signatures.map(keyOf)).size !== signatures.length)
    throw new Malformed('note', 'two signatures of one key');
  return { text, signatures };
}

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = /^\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !isNoteKeyName(name))
    throw new Malformed('note', 'a line that is no signature');
  const bytes = signatureBytes(encoded);
  if (bytes.length <= KEY_ID_BYTES) throw new Malformed('note', 'an empty signature');
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}

function keyOf({ name, keyId }: NoteSignature): string {
  return `${name} ${hex(keyId)}`;
}

function signatureBytes(encoded: string): Uint8Array {
  try {
    return unbase64(encoded);
  } catch {
    throw new Malformed('note', 'a signature that is not base64');
  }
}

/** Witnesses we do not know may have names in any script (C2SP): no space of any kind, no plus. */
function isNoteKeyName(name: string): boolean {
  return !/[\s\p{White_Space}\p{Cc}\p{Cs}+]/u.test(name);
}

/** The Ed25519 signature that claims to be by this key; null when none does. */
export function signatureBy(note: Note, key: Vkey): Uint8Array | null {
  const mine = note.signatures.find(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId));
  return mine?.signature.length === ED25519_SIGNATURE_BYTES ? mine.signature : null;
}

/** Whether this key signed the note. */
export function verifyNote(note: Note, key: Vkey, verify: VerifyEd25519): boolean {
  const signature = signatureBy(note, key);
  return signature !== null && verify(key.publicKey, utf8(note.text), signature);
}

function checkNoteText(text: string): void {
  if (!text.endsWith('\n')) throw new Malformed('note', 'the text of a note ends in a newline');
  if (/[^\n -\u{10ffff}]|\p{Cs}/u.test(text)) throw new Malformed('note', 'a control character in a note');
}
