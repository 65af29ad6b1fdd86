import { createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { commit, decodeLeaf, hex, type Note, parseVkey, sizeClass, verifyNote, vkeyOf } from '@sworn/evidence';
import type { LeafRow, LogRows } from './auditLog.js';

/** A wrapped data key as stored. */
interface WrappedRow {
  readonly epoch: number;
  readonly wrapped: Buffer;
}

/** What the auditor can tell with the keys: all that is under them is computed anew here, from the specification. */
export interface AuditKeys {
  /** The authenticator that a batch should have. */
  macOf(origin: string, batch: LogRows['batches'][number]): Uint8Array;
  isSignedByUs(origin: string, note: Note): boolean;
  /** What the signer remembers of a log, oldest first; root in hex. */
  signed(origin: string): readonly { readonly size: number; readonly root: string }[];
  /** Whether the body opens to what the leaf commits to; null: it does, or the leaf has none. */
  problemOfBody(
    tenantId: string,
    origin: string,
    row: LeafRow,
    dataKeys: ReadonlyMap<string, WrappedRow>,
  ): string | null;
}

/** Reads the key directory and the signer's memory. */
export function openAuditKeys(place: { readonly keyDir: string; readonly signerDir: string | null }): AuditKeys {
  const recorder = readKey(join(place.keyDir, 'deployment', 'recorder.key'));
  const publicKey = keyPair(readKey(join(place.keyDir, 'deployment', 'signing.key')));
  const memory = place.signerDir === null ? new Map<string, never[]>() : readJournal(place.signerDir);
  const epochKeys = new Map<string, Buffer>();
  const values = new Map<string, Buffer | null>();

  function epochKey(tenantId: string, epoch: number): Buffer {
    const file = join(place.keyDir, 'tenants', tenantId, 'epochs', `${epoch}.key`);
    const key = epochKeys.get(file) ?? readKey(file);
    epochKeys.set(file, key);
    return key;
  }

  /** HKDF-Extract of the data key; null when it does not unwrap. */
  function prkOf(tenantId: string, dk: string, { epoch, wrapped }: WrappedRow): Buffer | null {
    const held = values.get(dk);
    if (held !== undefined) return held;
    const context = Buffer.alloc(36);
    context.write(tenantId.replaceAll('-', '') + dk.replaceAll('-', ''), 'hex');
    context.writeUInt32BE(epoch, 32);
    const key = decrypt(epochKey(tenantId, epoch), context, wrapped);
    const prk = key === null ? null : hmac(Buffer.alloc(32), key);
    values.set(dk, prk);
    return prk;
  }

  return {
    macOf: (origin, batch) =>
      hmac(
        recorder,
        Buffer.from(`sworn.batch/1\0${origin}\0${batch.first_index}\0${batch.count}\0${batch.at}\0`),
        batch.root_before,
        batch.root_after,
      ),
    isSignedByUs: (origin, note) =>
      verifyNote(note, parseVkey(vkeyOf(origin, publicKey.raw)), (_, message, signature) =>
        verify(null, message, publicKey.key, signature),
      ),
    signed: (origin) => memory.get(origin) ?? [],
    problemOfBody(tenantId, origin, row, dataKeys) {
      const committed = decodeLeaf(row.leaf).c?.['body'];
      if (committed === undefined) return row.body === null ? null : 'a body that the leaf does not name';
      if (row.body === null || row.dk === null) return 'the body is missing';
      if (createHash('sha256').update(row.body).digest('hex') !== committed.ch) return 'another ciphertext';
      const stored = dataKeys.get(row.dk);
      if (stored === undefined) return 'the data key is missing';
      const prk = prkOf(tenantId, row.dk, stored);
      if (prk === null) return 'the data key does not unwrap';
      const tuple = Buffer.concat([
        Buffer.from(`${origin}\0`),
        Buffer.of(row.event_key.length),
        row.event_key,
        Buffer.from('body'),
      ]);
      const plain = decrypt(hmac(prk, Buffer.from('sworn.value/1\0'), tuple, Buffer.of(1)), tuple, row.body);
      if (plain === null) return 'the body does not open';
      const value = plain[0] === 0 ? plain.subarray(1) : inflateRawSync(plain.subarray(1));
      const salt = hmac(prk, Buffer.from('sworn.salt/1\0'), tuple, Buffer.of(1));
      if (hex(commit(salt, 'body', value)) !== committed.pc) return 'the body is another value';
      if (sizeClass(value.length) !== committed.n) return 'another size class';
      return row.kind === 'STEP' && !value.includes(row.event_key.subarray(16)) ? 'the body of another span' : null;
    },
  };
}

/** The 32 bytes of a key file. */
export function readKey(file: string): Buffer {
  const key = /^sworn\.key\/1 \S+ ([0-9a-f]{64})\n$/.exec(readFileSync(file, 'latin1'))?.[1];
  if (key === undefined) throw new Error(`${file} holds no key`);
  return Buffer.from(key, 'hex');
}

/** An Ed25519 key of this seed: private half as PKCS #8, public half as Node's and as 32 bytes. */
export function keyPair(seed: Buffer) {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return { der, key, raw: key.export({ format: 'der', type: 'spki' }).subarray(-32) };
}

/** A last line without its end is one that was cut while it was written: nothing was signed of it. */
function readJournal(dir: string): Map<string, { readonly size: number; readonly root: string }[]> {
  const memory = new Map<string, { size: number; root: string }[]>();
  const file = join(dir, 'journal.ndjson');
  if (!existsSync(file)) return memory;
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const { origin, size, root } = JSON.parse(line) as { origin: string; size: number; root: string };
    memory.set(origin, [...(memory.get(origin) ?? []), { size, root }]);
  }
  return memory;
}

/** AES-256-GCM of nonce[12] ‖ ciphertext ‖ tag[16]; null when it does not open. */
function decrypt(key: Buffer, context: Uint8Array, sealed: Buffer): Buffer | null {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  } catch {
    return null;
  }
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}
