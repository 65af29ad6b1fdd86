import { type DerivedFile, equalBytes } from '@sworn/evidence';
import type { ArchiveEntry } from '../archive/entry.js';
import { type BundleFiles, linesOf } from './files.js';
import type { TellBundle } from './finding.js';

/** Holds files that are made of the records against those made again. One that is not there is told by the layout. */
export async function checkDerived(
  files: BundleFiles,
  derived: readonly DerivedFile[],
  tell: TellBundle,
): Promise<void> {
  for (const { name, pieces } of derived) {
    const entry = files.get(name);
    if (entry !== undefined) await checkFile(entry, pieces(), tell);
  }
}

/** Longest line of a file that is made of leaves: of a step with its redactions about 20 KB. */
const MAX_LINE_BYTES = 1 << 20;

/** Line by line: the first that differs is told. */
async function checkFile(entry: ArchiveEntry, pieces: AsyncIterable<string>, tell: TellBundle): Promise<void> {
  const found = linesOf(entry, MAX_LINE_BYTES)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let line = 0;
  const differs = (expected: string) =>
    tell({ code: 'DERIVED_MISMATCH', entry: entry.name, expected, found: 'something else' });
  for await (const piece of pieces) {
    for (const text of piece.slice(0, -1).split('\n')) {
      line++;
      const next = await found.next();
      const bytes = next.done === true ? null : next.value.bytes;
      if (bytes !== null && equalBytes(bytes, encoder.encode(text))) continue;
      differs(`line ${line}: what the records say`);
      return;
    }
  }
  if ((await found.next()).done !== true) differs(`nothing after line ${line}`);
}
