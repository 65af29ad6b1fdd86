import { printable } from '../printable.js';
import type { TellBag } from './finding.js';

/** A file's SHA-256, 64 lower-case digits of hex, by its name. */
export type Digests = ReadonlyMap<string, string>;

const LINE = /^([0-9a-f]{64}) {2}([A-Za-z0-9._/-]+)$/;

/**
 * Reads a manifest as docs/spec/bag.md wants it, which is narrower than RFC 8493 §2.1.3: one spelling of a list. Lines that are none have their finding
 * and list nothing.
 * @param text each byte as the character of that number
 */
export function parseManifest(text: string, { entry, tell }: { entry: string; tell: TellBag }): Digests {
  const digests = new Map<string, string>();
  const lines = text.split('\n');
  // What follows the last newline: nothing.
  if (lines.pop() !== '')
    tell({ code: 'BAG_MANIFEST_LINE', entry, expected: 'a newline after the last line', found: 'none' });
  let before = '';
  for (const [index, line] of lines.entries()) {
    const [, digest, name] = LINE.exec(line) ?? [];
    if (digest === undefined || name === undefined) {
      tell({
        code: 'BAG_MANIFEST_LINE',
        entry,
        expected: `line ${index + 1}: 64 lower-case hex, two spaces, a name`,
        found: printable(line),
      });
      continue;
    }
    if (name <= before)
      tell({
        code: 'BAG_MANIFEST_ORDER',
        entry,
        expected: `line ${index + 1}: a name after ${printable(before)}`,
        found: printable(name),
      });
    before = name;
    digests.set(name, digest);
  }
  return digests;
}
