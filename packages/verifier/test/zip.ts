import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { archiveEnd, archiveHeader, concat, utf8 } from '@sworn/evidence';
import { type EndOptions, type Options, ZipFile } from 'yazl';
import type { ArchiveSource } from '../src/archive/source.js';
import { bytesSource, openArchive } from '../src/index.js';

/** What makes yazl write the profile: no time zone, no compression, no field of its own. */
export const PROFILE: Partial<Options> = {
  compress: false,
  mode: 0o100644,
  // The epoch lies before what the format can say, so yazl takes its first time, 1980-01-01 00:00:00, whatever the time zone.
  mtime: new Date(0),
  forceDosTimestamp: true,
};

export interface File {
  readonly name: string;
  readonly bytes: Uint8Array | string;
  /** Instead of PROFILE. */
  readonly options?: Partial<Options> & { readonly fileComment?: string };
  /** As a stream: yazl then writes size and CRC-32 after the bytes. */
  readonly streamed?: boolean;
}

/** An archive of yazl's, with the files in the order given. */
export async function zipped(files: readonly File[], end?: EndOptions): Promise<Uint8Array> {
  const zip = new ZipFile();
  for (const { name, bytes, options, streamed = false } of files) {
    const content = Buffer.from(typeof bytes === 'string' ? utf8(bytes) : bytes);
    const chosen = { ...PROFILE, ...options };
    if (name.endsWith('/')) {
      const { compress: _, ...ofFolder } = chosen;
      zip.addEmptyDirectory(name, ofFolder);
    } else if (streamed) {
      zip.addReadStream(Readable.from([content]), name, chosen);
      await once(zip.outputStream, 'readable');
    } else zip.addBuffer(content, name, chosen);
  }
  zip.end(end);
  return new Uint8Array(await buffer(zip.outputStream));
}

/** The same archive, put together from headers and bytes, as it is written when a file is too large for memory. */
export function assembled(files: readonly File[]): Uint8Array {
  const all = files.map(({ name, bytes }) => {
    const content = typeof bytes === 'string' ? utf8(bytes) : bytes;
    return { name, size: content.length, crc32: crc32(content), content };
  });
  return concat(...all.flatMap((file) => [archiveHeader(file), file.content]), archiveEnd(all));
}

/** Names and bytes of the files, and the codes of everything found, those of the files' bytes included. */
export async function looked(
  source: ArchiveSource | Uint8Array,
): Promise<{ files: Map<string, Uint8Array>; codes: string[] }> {
  const archive = await openArchive(source instanceof Uint8Array ? bytesSource(source) : source);
  const codes: string[] = archive.findings.map(({ code }) => code);
  const files = new Map<string, Uint8Array>();
  for (const entry of archive.entries) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.chunks(({ code }) => codes.push(code))) chunks.push(chunk);
    files.set(entry.name, new Uint8Array(Buffer.concat(chunks)));
  }
  return { files, codes };
}

/** Where the headers of an honest archive stand. */
export function headersOf(archive: Uint8Array): { locals: number[]; centrals: number[]; end: number } {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.length);
  const end = archive.length - 22;
  const locals: number[] = [];
  const centrals: number[] = [];
  for (let at = view.getUint32(end + 16, true); at < end; at += 46 + view.getUint16(at + 28, true)) {
    centrals.push(at);
    locals.push(view.getUint32(at + 42, true));
  }
  return { locals, centrals, end };
}

/** A copy with little-endian numbers put in; `[offset, width, value]`. */
export function patched(archive: Uint8Array, ...puts: readonly (readonly [number, 1 | 2 | 4, number])[]): Uint8Array {
  const copy = archive.slice();
  const view = new DataView(copy.buffer);
  for (const [at, width, value] of puts) {
    if (width === 1) view.setUint8(at, value);
    else if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return copy;
}

/** A copy in which a name is another one of the same length, in both headers. */
export function renamed(archive: Uint8Array, from: string, to: string): Uint8Array {
  const copy = Buffer.from(archive);
  const wanted = Buffer.from(to, 'latin1');
  if (wanted.length !== from.length) throw new Error('another length');
  for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + 1)) wanted.copy(copy, at);
  return new Uint8Array(copy);
}
