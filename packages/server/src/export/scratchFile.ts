import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** Bytes that are read from a file at once. */
const CHUNK = 1 << 18;
/** Bytes that are gathered before they are written. */
const BUFFERED = 1 << 18;

/**
 * A file of a bundle while it is made. It has no name from its first moment on: whatever becomes of this process, nobody finds it, and its space is free
 * again when it is closed.
 */
export class ScratchFile {
  readonly #file: FileHandle;
  readonly #sha256 = createHash('sha256');
  #crc32 = 0;
  #size = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #digest: string | null = null;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A new, empty one in a directory that only this user can read. */
  static async create(directory: string): Promise<ScratchFile> {
    const path = join(directory, `.scratch-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return new ScratchFile(file);
  }

  /** Adds to its end. */
  async write(piece: string | Uint8Array): Promise<void> {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece;
    this.#sha256.update(bytes);
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#size += bytes.length;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= BUFFERED) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#file.writeFile(bytes);
  }

  get size(): number {
    return this.#size;
  }

  get crc32(): number {
    return this.#crc32;
  }

  /** SHA-256 of all of it, hex; after it was asked for nothing more is written. */
  get sha256(): string {
    return (this.#digest ??= this.#sha256.digest('hex'));
  }

  /** All of it, from the first byte on. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#size; at += CHUNK) yield await this.read(at, Math.min(CHUNK, this.#size - at));
  }

  /** Bytes at a place. */
  async read(at: number, length: number): Promise<Uint8Array> {
    await this.#flush();
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, at);
    if (bytesRead !== length) throw new Error('a scratch file is shorter than what was written to it');
    return bytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** A file of a bundle, once it is written. */
export type BundledFile = Pick<ScratchFile, 'size' | 'crc32' | 'sha256' | 'chunks'>;

/** Many small files of a bundle, one behind the other in one scratch file: of those a process has only so many open. */
export class ScratchShelf {
  readonly #file: ScratchFile;

  private constructor(file: ScratchFile) {
    this.#file = file;
  }

  static async create(directory: string): Promise<ScratchShelf> {
    return new ScratchShelf(await ScratchFile.create(directory));
  }

  /** Writes a file whole; one after the other. */
  async add(pieces: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>): Promise<BundledFile> {
    const file = this.#file;
    const start = file.size;
    const digest = createHash('sha256');
    let crc = 0;
    for await (const piece of pieces) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece;
      digest.update(bytes);
      crc = crc32(bytes, crc);
      await file.write(bytes);
    }
    const size = file.size - start;
    return {
      size,
      crc32: crc,
      sha256: digest.digest('hex'),
      async *chunks() {
        for (let at = 0; at < size; at += CHUNK) yield await file.read(start + at, Math.min(CHUNK, size - at));
      },
    };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
