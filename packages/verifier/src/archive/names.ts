import { printable } from '../printable.js';
import type { ArchiveCode, TellArchive } from './finding.js';
import { MAX_NAME_BYTES } from './profile.js';

/**
 * Holds the names to the profile, in the order of the directory: each by itself, and to one another. Two names that some file system takes for one,
 * or that cannot both be unpacked, would let two readers see different files.
 */
export function checkNames(names: readonly string[], tell: TellArchive): void {
  const paths = new PathsSeen(tell);
  let before: string | undefined;
  for (const name of names) {
    checkName(name, tell);
    paths.add(name);
    // Equal ones are duplicates, which PathsSeen tells.
    if (before !== undefined && name < before)
      tell({
        code: 'ARCHIVE_ORDER',
        entry: printable(name),
        expected: `names in ascending order of their bytes`,
        found: `after ${printable(before)}`,
      });
    before = name;
  }
}

/** Forms of a name that are refused, the most telling first: one finding a name. */
const REFUSED: readonly { code: ArchiveCode; is: (name: string) => boolean; expected: string }[] = [
  {
    code: 'ARCHIVE_NAME_LENGTH',
    is: (name) => name.length === 0 || name.length > MAX_NAME_BYTES,
    expected: `a name of 1 to ${MAX_NAME_BYTES} bytes`,
  },
  { code: 'ARCHIVE_BACKSLASH', is: (name) => name.includes('\\'), expected: 'no \\ in a name' },
  { code: 'ARCHIVE_ABSOLUTE', is: (name) => /^\/|^[A-Za-z]:/.test(name), expected: 'a name without root or drive' },
  {
    code: 'ARCHIVE_NAME_PATH',
    is: (name) =>
      name
        .replace(/\/$/, '')
        .split('/')
        // Windows drops a dot at the end, so `a.` and `a` are one file there.
        .some((segment) => segment.endsWith('.') || segment === ''),
    expected: 'no segment that is empty or ends in a dot',
  },
  { code: 'ARCHIVE_FOLDER', is: (name) => name.endsWith('/'), expected: 'files only, no folder as an entry' },
  {
    code: 'ARCHIVE_NAME_CHARACTER',
    is: (name) => !/^[A-Za-z0-9._/-]+$/.test(name),
    expected: 'only A-Z a-z 0-9 . _ - and / in a name',
  },
  { code: 'ARCHIVE_FETCH', is: (name) => /^fetch\.txt$/i.test(name), expected: 'nothing to fetch from elsewhere' },
];

function checkName(name: string, tell: TellArchive): void {
  const refused = REFUSED.find(({ is }) => is(name));
  if (refused !== undefined)
    tell({ code: refused.code, entry: printable(name), expected: refused.expected, found: printable(name) });
}

/** Paths of files and of the folders that they lie in, compared as a file system compares them that does not tell case apart. */
class PathsSeen {
  readonly #tell: TellArchive;
  readonly #seen = new Map<string, { path: string; isFile: boolean }>();

  constructor(tell: TellArchive) {
    this.#tell = tell;
  }

  add(name: string): void {
    // Names beyond the bound have their finding already, and would be cut into as many folders as their author likes.
    if (name.length > MAX_NAME_BYTES) return;
    for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1))
      this.#addPath(name, { path: name.slice(0, slash), isFile: false });
    this.#addPath(name, { path: name, isFile: true });
  }

  #addPath(name: string, { path, isFile }: { path: string; isFile: boolean }): void {
    const folded = path.toLowerCase();
    const earlier = this.#seen.get(folded);
    if (earlier === undefined) {
      this.#seen.set(folded, { path, isFile });
      return;
    }
    if (!isFile && !earlier.isFile && earlier.path === path) return;
    this.#tell({
      ...clash(earlier, { path, isFile }),
      entry: printable(name),
      found: `beside ${printable(earlier.path)}`,
    });
  }
}

function clash(
  earlier: { path: string; isFile: boolean },
  { path, isFile }: { path: string; isFile: boolean },
): { code: ArchiveCode; expected: string } {
  if (earlier.path !== path) return { code: 'ARCHIVE_NAME_CASE', expected: 'paths that differ in more than case' };
  if (earlier.isFile && isFile) return { code: 'ARCHIVE_DUPLICATE_NAME', expected: 'every name once' };
  return { code: 'ARCHIVE_NAME_PATH', expected: 'a path that is a file or a folder, not both' };
}
