import { equalBytes } from '@sworn/evidence';
import { printable } from '../printable.js';
import type { CentralHeader } from './directory.js';
import type { TellArchive } from './finding.js';
import { CENTRAL_BYTES, type Field, LOCAL_BYTES, LOCAL_SIGNATURE, shown, valueOf, viewOf } from './profile.js';
import type { ArchiveSource } from './source.js';

/** Fields that a local header shares with the central one; `central` is their place there. */
const SHARED: readonly (Field & { central: number })[] = [
  { name: 'version needed', at: 4, width: 2, central: 6 },
  { name: 'flags', at: 6, width: 2, central: 8 },
  { name: 'compression method', at: 8, width: 2, central: 10 },
  { name: 'time', at: 10, width: 2, central: 12 },
  { name: 'date', at: 12, width: 2, central: 14 },
  { name: 'CRC-32', at: 14, width: 4, central: 16 },
  { name: 'compressed size', at: 18, width: 4, central: 20 },
  { name: 'size', at: 22, width: 4, central: 24 },
  { name: 'length of the name', at: 26, width: 2, central: 28 },
];
const EXTRA_LENGTH: Field = { name: 'length of the extra field', at: 28, width: 2 };

/**
 * Holds the local headers to the directory: the files lie one after another from byte 0 to the directory, in its order, and each header says what the
 * directory says. A reader that goes from the front and one that goes from the directory then see the same.
 */
export async function checkLocals(
  source: ArchiveSource,
  headers: readonly CentralHeader[],
  { directoryAt, tell }: { directoryAt: number; tell: TellArchive },
): Promise<void> {
  let expected = 0;
  for (const header of headers) {
    tellPlace(header, expected, tell);
    const end = header.offset + LOCAL_BYTES + header.bytes.length - CENTRAL_BYTES + header.size;
    if (end > directoryAt)
      tell({
        code: 'ARCHIVE_OVERLAP',
        entry: printable(header.name),
        expected: `its end before the central directory, at ${directoryAt}`,
        found: `${end}`,
      });
    else await checkLocal(source, header, tell);
    expected = end;
  }
  if (expected < directoryAt)
    tell({
      code: 'ARCHIVE_GAP',
      entry: null,
      expected: `the central directory after the last file, at ${expected}`,
      found: `${directoryAt}`,
    });
}

function tellPlace({ name, offset }: CentralHeader, expected: number, tell: TellArchive): void {
  if (offset === expected) return;
  tell({
    code: offset < expected ? 'ARCHIVE_OVERLAP' : expected === 0 ? 'ARCHIVE_PREFIX' : 'ARCHIVE_GAP',
    entry: printable(name),
    expected: `its header at ${expected}`,
    found: `${offset}`,
  });
}

/** The whole file lies before the directory, so its header can be read. */
async function checkLocal(source: ArchiveSource, header: CentralHeader, tell: TellArchive): Promise<void> {
  const nameBytes = header.bytes.subarray(CENTRAL_BYTES);
  const bytes = await source.read(header.offset, LOCAL_BYTES + nameBytes.length);
  const [local, central] = [viewOf(bytes), viewOf(header.bytes)];
  const entry = printable(header.name);
  const differs = (expected: string, found: string): void =>
    tell({ code: 'ARCHIVE_LOCAL_DIFFERS', entry, expected: `local ${expected}`, found });
  if (local.getUint32(0, true) !== LOCAL_SIGNATURE) {
    differs(`header: ${shown(LOCAL_SIGNATURE)}`, shown(local.getUint32(0, true)));
    return;
  }
  for (const field of SHARED) {
    const expected = valueOf(central, { ...field, at: field.central });
    const found = valueOf(local, field);
    if (found !== expected) differs(`${field.name}: ${shown(expected)}`, shown(found));
  }
  if (valueOf(local, EXTRA_LENGTH) !== 0)
    tell({
      code: 'ARCHIVE_EXTRA_FIELD',
      entry,
      expected: `local ${EXTRA_LENGTH.name}: 0`,
      found: `${valueOf(local, EXTRA_LENGTH)}`,
    });
  if (!equalBytes(bytes.subarray(LOCAL_BYTES), nameBytes)) differs('name: the same', 'another');
}
