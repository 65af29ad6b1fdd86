import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DatabaseAddress, type Login, parseDatabaseUrl, startEmbedded } from '@sworn/server';

/** A PostgreSQL that tests may create databases on. */
export interface TestCluster {
  readonly address: DatabaseAddress;
  readonly superuser: Login;
  stop(): Promise<void>;
}

/**
 * The PostgreSQL of one test run: the embedded one, or the one at `url` (15 or newer, with a superuser's name and password).
 * Everything the embedded one writes lies in one directory under /tmp, which goes at the end.
 */
export async function startTestCluster(url: string | undefined): Promise<TestCluster> {
  if (url !== undefined && url !== '') {
    const { address, login } = parseDatabaseUrl(url);
    return { address, superuser: login, stop: () => Promise.resolve() };
  }
  const dir = mkdtempSync('/tmp/sworn-test-');
  // As root, PostgreSQL runs under another user, who must pass through.
  chmodSync(dir, 0o711);
  // Refusals are what many tests are about, and so are connections that are cut; only what ends PostgreSQL is worth a line.
  const log = (line: string): void => {
    if (/^(FATAL|PANIC)/.test(line) && !/ to client lost|protocol synchronization|administrator command/.test(line))
      console.error(`postgres: ${line}`);
  };
  const cluster = await startEmbedded({ dataDir: join(dir, 'data'), secretsDir: join(dir, 'keys'), log });
  return {
    address: cluster.address,
    superuser: cluster.superuser,
    async stop() {
      await cluster.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
