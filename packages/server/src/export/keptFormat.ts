import { createHash, randomBytes } from 'node:crypto';
import { sha256 } from '@sworn/evidence';
import type { DataKey } from '../record/body.js';
import { type ChunkSeal, createChunkSeal, sealedSize } from './chunkSeal.js';
import { unwrapFileKey, wrapFileKey, WRAPPED_BYTES } from './keptKey.js';
import { archiveParts, archiveSize, type ArchivePart, type StreamedFile, zipArchive } from './zipArchive.js';

/**
 * A kept bundle in a store (docs/decisions/0027-what-a-kept-bundle-is-sealed-under.md):
 *
 *     sworn.kept/1 ‖ length of what follows[4] ‖ KeptHeader as JSON ‖ wrapped file key[60] ‖ the ZIP, sealed ‖ KeptIndex as JSON, sealed
 */
export interface KeptHeader {
  readonly tenantId: string;
  readonly exportId: string;
  /** Of the ZIP, in bytes. */
  readonly size: number;
  /** Of the index, in bytes. */
  readonly indexSize: number;
  /** Data keys that together wrap the file key, in order. */
  readonly keyIds: readonly string[];
}

/** What is known of a bundle once all of it was written. */
export interface KeptIndex {
  /** Of the ZIP, hex. */
  readonly sha256: string;
  /** SHA-256 of `manifest-sha256.txt`, hex. */
  readonly manifest: string;
  /** Entries of the ZIP. */
  readonly parts: readonly KeptPart[];
}

/** A file of a bundle, as bytes of the ZIP from `from` on. */
export interface KeptPart extends ArchivePart {
  /** Hex. */
  readonly sha256: string;
}

/** Bytes that are no kept bundle. */
export class KeptMalformed extends Error {
  override readonly name = 'KeptMalformed';
}

const MAGIC = Buffer.from('sworn.kept/1');
const LENGTH_AT = MAGIC.length;
const HEADER_AT = MAGIC.length + 4;
/** 39 bytes for each data key; a bundle has 150,000 leaves at most, and hardly ever more keys than traces and days. */
const MAX_HEADER_BYTES = 8 << 20;
/** Nearly always the whole header. */
const READ_FIRST = 1 << 16;
const ZIP = 'sworn.kept-zip/1\0';
const INDEX = 'sworn.kept-index/1\0';

/** What is to be kept: `made` becomes one ZIP. */
export interface Keeping {
  readonly tenantId: string;
  readonly exportId: string;
  readonly keys: readonly DataKey[];
  readonly made: { readonly manifest: string; readonly files: readonly StreamedFile[] };
}

/** The bytes that are stored, and how many they are; to be read once. */
export function sealBundle({ tenantId, exportId, keys, made }: Keeping): {
  readonly size: number;
  readonly chunks: AsyncIterable<Uint8Array>;
} {
  const size = archiveSize(made.files);
  const written = digested(made.files);
  const indexSize = indexText(written.index(made.manifest)).length;
  const keyIds = keys.map(({ id }) => id).sort();
  const header = Buffer.from(JSON.stringify({ tenantId, exportId, size, indexSize, keyIds } satisfies KeptHeader));
  if (header.length > MAX_HEADER_BYTES) throw new Error('more data keys than a bundle can have');
  const fileKey = randomBytes(32);
  const start = Buffer.concat([MAGIC, Buffer.alloc(4), header, wrapFileKey(keys, header, fileKey)]);
  start.writeUInt32BE(header.length, LENGTH_AT);
  const context = sha256(header);
  return {
    size: start.length + sealedSize(size) + sealedSize(indexSize),
    chunks: (async function* () {
      yield start;
      yield* createChunkSeal(fileKey, ZIP, context).seal(written.zip());
      const index = indexText(written.index(made.manifest));
      yield* createChunkSeal(fileKey, INDEX, context).seal(once(index));
    })(),
  };
}

/** The ZIP, and once it was read, its digests; before, others of the same length. */
function digested(files: readonly StreamedFile[]): {
  zip(): AsyncGenerator<Uint8Array>;
  index(manifest: string): KeptIndex;
} {
  const none = '0'.repeat(64);
  const ofParts = new Map<string, string>();
  const watched = files.map((file) => ({
    ...file,
    async *chunks() {
      const hash = createHash('sha256');
      for await (const chunk of file.chunks()) {
        hash.update(chunk);
        yield chunk;
      }
      ofParts.set(file.name, hash.digest('hex'));
    },
  }));
  let ofAll = none;
  return {
    async *zip() {
      const hash = createHash('sha256');
      for await (const chunk of zipArchive(watched)) {
        hash.update(chunk);
        yield chunk;
      }
      ofAll = hash.digest('hex');
    },
    index: (manifest) => ({
      sha256: ofAll,
      manifest,
      parts: archiveParts(files).map((part) => ({ ...part, sha256: ofParts.get(part.name) ?? none })),
    }),
  };
}

/** What stands before what is sealed. */
export interface KeptStart {
  readonly header: KeptHeader;
  /** The header as it was written: what everything is bound to. */
  readonly text: Uint8Array;
  readonly wrapped: Uint8Array;
  /** Where the sealed ZIP begins. */
  readonly end: number;
}

/** How bytes of one are read. */
export type ReadStored = (from: number, to: number) => AsyncIterable<Uint8Array>;

/** Reads it; nothing in it is authenticated yet. @throws KeptMalformed */
export async function readStart(read: ReadStored): Promise<KeptStart> {
  const first = await gathered(read(0, READ_FIRST));
  if (first.length < HEADER_AT || !first.subarray(0, LENGTH_AT).equals(MAGIC))
    throw new KeptMalformed('no kept bundle');
  const length = first.readUInt32BE(LENGTH_AT);
  if (length > MAX_HEADER_BYTES) throw new KeptMalformed(`a header of ${length} bytes`);
  const end = HEADER_AT + length + WRAPPED_BYTES;
  const all = end <= first.length ? first : Buffer.concat([first, await gathered(read(first.length, end))]);
  if (all.length < end) throw new KeptMalformed('it ends in its header');
  const text = all.subarray(HEADER_AT, HEADER_AT + length);
  return { header: headerOf(text), text, wrapped: all.subarray(HEADER_AT + length, end), end };
}

/** Bytes in the store of a bundle with this start. */
export function storedSize({ header, end }: KeptStart): number {
  return end + sealedSize(header.size) + sealedSize(header.indexSize);
}

/** A bundle whose start is authenticated. */
export interface OpenedBundle {
  /** @throws SealBroken */
  index(): Promise<KeptIndex>;
  /** Bytes of the ZIP. @throws SealBroken */
  read(from: number, to: number): AsyncGenerator<Uint8Array>;
}

/** Null: the file key was not wrapped under these data keys for this bundle. */
export function openBundle(start: KeptStart, keys: readonly DataKey[], read: ReadStored): OpenedBundle | null {
  const fileKey = unwrapFileKey(keys, start.text, start.wrapped);
  if (fileKey === null) return null;
  const { size, indexSize } = start.header;
  const context = sha256(start.text);
  const opened = (purpose: string, bytes: number, at: number) => {
    const seal: ChunkSeal = createChunkSeal(fileKey, purpose, context);
    return (from: number, to: number) => seal.open(bytes, from, to, (a, b) => read(at + a, at + b));
  };
  const index = opened(INDEX, indexSize, start.end + sealedSize(size));
  return {
    // Ours, since it opened: it is what was written.
    index: async () => JSON.parse((await gathered(index(0, indexSize))).toString('utf8')) as KeptIndex,
    read: opened(ZIP, size, start.end),
  };
}

function headerOf(text: Buffer): KeptHeader {
  let said: unknown;
  try {
    said = JSON.parse(text.toString('utf8'));
  } catch {
    throw new KeptMalformed('its header is no JSON');
  }
  const { tenantId, exportId, size, indexSize, keyIds } = Object(said) as Partial<Record<keyof KeptHeader, unknown>>;
  if (
    typeof tenantId !== 'string' ||
    typeof exportId !== 'string' ||
    !isBytes(size) ||
    !isBytes(indexSize) ||
    !areIds(keyIds)
  )
    throw new KeptMalformed('its header says no bundle');
  return { tenantId, exportId, size, indexSize, keyIds };
}

function isBytes(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function areIds(value: unknown): value is readonly string[] {
  const isId = (id: unknown) => typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  return Array.isArray(value) && value.length > 0 && value.every(isId);
}

function indexText(index: KeptIndex): Buffer {
  return Buffer.from(JSON.stringify(index));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
