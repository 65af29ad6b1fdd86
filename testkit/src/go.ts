import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Go's transparency log packages as Debian has them: an implementation that nobody here wrote. */
const GOPATH = '/usr/share/gocode';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the reader in Go would need to be built here; null: it is there. */
export function missingForGo(): string | null {
  if (!existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog'))) return 'needs Debian’s golang-golang-x-mod-dev';
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'needs Go: Debian’s golang-go';
  }
}

/** Builds the reader of logs and bundles into a directory. Returns its path. */
export function buildTlogread(directory: string): string {
  const program = join(directory, 'tlogread');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH, CGO_ENABLED: '0', GOCACHE: join(ROOT, '.cache/go-build') };
  const options = { cwd: join(ROOT, 'testkit/go/tlogread'), env, stdio: 'pipe' } as const;
  execFileSync('go', ['build', '-o', program, '.'], options);
  return program;
}
