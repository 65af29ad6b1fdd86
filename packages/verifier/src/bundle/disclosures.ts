import {
  decodeLeaf,
  fromUtf8,
  isDisclosed,
  parseDisclosure,
  type PinnedRecords,
  sizeClass,
  type Statement,
} from '@sworn/evidence';
import { type BundleFiles, linesOf, reading } from './files.js';
import type { TellBundle } from './finding.js';
import { isLogDisclosed } from './layout.js';
import type { CheckedRecords } from './records.js';

/** A body is at most what one OTLP request may hold; in base64. */
const MAX_LINE_BYTES = 64 << 20;

/** Holds the disclosed bodies of a log against their leaves, and what the statement counts of them: all or none are disclosed. */
export async function checkDisclosures(
  files: BundleFiles,
  { statement, pinned }: { readonly statement: Statement; readonly pinned: PinnedRecords },
  { file, bodies, lineOf, beside }: CheckedRecords,
  tell: TellBundle,
): Promise<void> {
  const { log } = pinned;
  const name = `data/disclosures/${log}.ndjson`;
  const entry = files.get(name);
  let [disclosed, last] = [0, ''];
  if (entry !== undefined) {
    for await (const { bytes } of linesOf(entry, MAX_LINE_BYTES)) {
      const line = ++disclosed;
      const said =
        bytes === null ? null : reading('DISCLOSURE_MALFORMED', name, tell, () => parseDisclosure(fromUtf8(bytes)));
      if (bytes === null) {
        const expected = `line ${line}: a disclosure`;
        tell({ code: 'DISCLOSURE_MALFORMED', entry: name, expected, found: 'no line end, or too many bytes' });
      }
      if (said === null) continue;
      const place = `${String(said.index).padStart(16, '0')} ${said.path}`;
      const at = lineOf.get(said.index);
      const committed = at === undefined ? undefined : decodeLeaf(await file.leafAt(at)).c?.[said.path];
      const isSound =
        place > last &&
        committed !== undefined &&
        sizeClass(said.value.length) === committed.n &&
        isDisclosed(said, committed);
      if (!isSound) {
        const expected = `line ${line}: what leaf ${said.index} committed to under ${said.path}, once, in leaf order`;
        tell({ code: 'DISCLOSURE_MISMATCH', entry: name, expected, found: 'something else' });
      }
      last = place;
    }
  }
  const counted = [
    ['shown', pinned.shown, file.indexes.length],
    ['withheld', pinned.withheld, beside.withheld.size],
    // Nothing in a bundle proves an erasure, so none is believed.
    ['erased', pinned.erased, 0],
    ['undisclosed', pinned.undisclosed, isLogDisclosed(statement, log) ? 0 : bodies],
    ['disclosed', pinned.disclosed, disclosed],
    ['disclosed, undisclosed and erased', pinned.disclosed + pinned.undisclosed + pinned.erased, bodies],
  ] as const;
  for (const [what, expected, found] of counted) {
    if (expected !== found)
      tell({
        code: 'COUNT_MISMATCH',
        entry: 'data/statement.json',
        expected: `${expected} ${what} of ${log}`,
        found: `${found}`,
      });
  }
}
