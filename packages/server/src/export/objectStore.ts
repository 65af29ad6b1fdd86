/** A store of named bytes that are written once. It knows nothing of what they are, and is trusted with nothing: what it gives back is held against its seal. */
export interface ObjectStore {
  /**
   * Stores `size` bytes under a name, whole or not at all, durable when it resolves.
   * @returns false: one of that name is there already, and stays as it is
   * @throws StoreFailed
   */
  put(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<boolean>;
  /** In bytes; null: there is none of that name. @throws StoreFailed */
  size(name: string): Promise<number | null>;
  /** The bytes from `from` up to `to`, in pieces; fewer, when there are no more. @throws StoreFailed */
  read(name: string, from: number, to: number): AsyncIterable<Uint8Array>;
  /** Done as well when there was none of that name. @throws StoreFailed */
  remove(name: string): Promise<void>;
  /** What is there under names that begin so, in no order. @throws StoreFailed */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Frees what killed writers left behind. @throws StoreFailed */
  sweepDrafts(): Promise<void>;
}

/** What a store has. */
export interface StoredObject {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly writtenAt: number;
}

/** A store that does not do what it should; the message names where it is and the way out. `gone`: what is read was removed meanwhile. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed';
  readonly code: 'full' | 'denied' | 'unreachable' | 'gone' | 'failed';

  constructor(code: StoreFailed['code'], detail: string, cause?: unknown) {
    super(detail, { cause });
    this.code = code;
  }
}

/** Parts of small letters, digits, `-` and `_` between slashes: no name leads out of a directory, and none differs from another by case alone. */
const NAME = /^[a-z0-9_-]{1,64}(\/[a-z0-9_-]{1,64}){0,3}$/;

/** Names are made by us alone; another one is a bug. */
export function isObjectName(name: string): boolean {
  return NAME.test(name);
}
