import { fromUtf8, Malformed } from '@sworn/evidence';
import type { ArchiveEntry } from '../archive/entry.js';
import type { BundleCode, TellBundle } from './finding.js';

/** The files of a bundle by their names. */
export type BundleFiles = ReadonlyMap<string, ArchiveEntry>;

/** The CRC-32 of a file is told by whoever reads it whole for its digest. */
const nobody = (): void => undefined;

/** All of a file that is read at once, as text; null, and told: it is not there, larger than such a file may be, or not UTF-8. */
export async function textOf(
  files: BundleFiles,
  name: string,
  { maxBytes, tell }: { readonly maxBytes: number; readonly tell: TellBundle },
): Promise<string | null> {
  const entry = files.get(name);
  if (entry === undefined) {
    tell({ code: 'FILE_MISSING', entry: name, expected: 'this file', found: 'none' });
    return null;
  }
  if (entry.size > maxBytes) {
    tell({ code: 'FILE_TOO_LARGE', entry: name, expected: `at most ${maxBytes} bytes`, found: `${entry.size}` });
    return null;
  }
  const bytes = new Uint8Array(entry.size);
  let at = 0;
  for await (const chunk of entry.chunks(nobody)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return reading('FILE_MALFORMED', name, tell, () => fromUtf8(bytes));
}

/** What a parser makes of something; null, and told, when it refuses. */
export function reading<T>(code: BundleCode, entry: string, tell: TellBundle, read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    tell({ code, entry, expected: 'as docs/spec/bundle.md says', found: error.message });
    return null;
  }
}

const NEWLINE = 0x0a;

/** A line of a file, without its end, and where it begins. */
export interface Line {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Lines of a file, in order. What is behind the last line end comes as a line that says so; so does one that is too long. */
export async function* linesOf(
  entry: ArchiveEntry,
  maxBytes: number,
): AsyncGenerator<Line | { readonly at: number; readonly bytes: null }> {
  let pending: Uint8Array[] = [];
  let [pendingBytes, at] = [0, 0];
  for await (const chunk of entry.chunks(nobody)) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const tail = chunk.subarray(from, end);
      yield { at, bytes: pendingBytes + tail.length > maxBytes ? null : joined(pending, tail) };
      at += pendingBytes + tail.length + 1;
      pending = [];
      pendingBytes = 0;
      from = end + 1;
    }
    const rest = chunk.subarray(from);
    pendingBytes += rest.length;
    // Of a line that is too long nothing is kept.
    if (pendingBytes <= maxBytes) pending.push(rest.slice());
    else pending = [];
  }
  if (pendingBytes > 0) yield { at, bytes: null };
}

function joined(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  if (parts.length === 0) return last;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, last.length));
  let at = 0;
  for (const part of [...parts, last]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
