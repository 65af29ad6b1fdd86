import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Home, makeHome, type Serving } from './swornProcess.js';

let home: Home;
let server: Serving;

beforeAll(async () => {
  home = makeHome();
  server = await home.serve();
});
afterAll(async () => {
  await server.stop();
  home.remove();
});

/** Local ports that a process listens on, as the kernel says. */
function portsOf(pid: number): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // Closed meanwhile.
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`/proc/net/${family}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode ?? ''))
      .map(([, local]) => Number.parseInt(local?.split(':')[1] ?? '', 16)),
  );
}

/** Everything below a directory, itself included, with its mode; no links. */
function modesBelow(dir: string): { path: string; isDirectory: boolean; mode: number }[] {
  const paths = [dir, ...readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((path) => join(dir, path))];
  return paths.flatMap((path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || stat.isSymbolicLink()) return [];
    return { path, isDirectory: stat.isDirectory(), mode: stat.mode & 0o777 };
  });
}

describe('a server in a process of its own', () => {
  it.skipIf(process.platform !== 'linux')('opens no inspector when it is signalled to, and serves on', async () => {
    const before = portsOf(server.pid);
    expect(before).toHaveLength(3);
    process.kill(server.pid, 'SIGUSR1');
    // Handled in turn with what comes after it: had it opened a port, it would be open by the second answer.
    for (let i = 0; i < 2; i++) expect((await fetch(`${server.http}/healthz`)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(portsOf(server.pid)).toEqual(before);
  });

  it('makes nothing that others may write, and keys and memory that they may not even enter, whatever the umask', () => {
    expect(modesBelow(home.dir).filter(({ mode }) => (mode & 0o022) !== 0)).toEqual([]);
    for (const dir of [home.keyDir, home.signerDir]) {
      const found = modesBelow(dir);
      expect(found.length).toBeGreaterThan(1);
      expect(found.filter(({ isDirectory, mode }) => mode !== (isDirectory ? 0o700 : 0o600))).toEqual([]);
    }
  });
});

describe('keys that others may read', () => {
  const key = () => join(home.keyDir, 'deployment', 'recorder.key');
  beforeAll(() => server.stop());
  it.each([
    ['a key', key, 0o640, 0o600],
    ['the key directory', () => home.keyDir, 0o755, 0o700],
    ["the database superuser's password", () => join(home.keyDir, 'postgres-superuser'), 0o604, 0o600],
    ['a memory of the signer that they may write', () => home.signerDir, 0o770, 0o700],
  ])('keep a server from starting, which says what to do: %s', async (_what, path, open, closed) => {
    chmodSync(path(), open);
    const said = await home.run(['serve']);
    chmodSync(path(), closed);
    expect(said.code).toBe(2);
    expect(said.err).toMatch(new RegExp(`chmod \\S+ ${path()}`));
  });
});
