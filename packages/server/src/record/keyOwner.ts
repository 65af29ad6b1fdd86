import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { KeyRefused } from './keyFile.js';

/** Id of the deployment whose keys the directory holds; null when there are none, or none that say whose they are. */
export function keyOwner(keyDir: string): string | null {
  const file = ownerFile(keyDir);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
}

/**
 * Writes down, once, whose keys the directory holds. Two deployments that start on one directory at once: one gets it.
 * @throws KeyRefused `wrong_key` when it is another's.
 */
export function claimKeys(keyDir: string, deployment: string): void {
  if (keyOwner(keyDir) === null) {
    const draft = `${ownerFile(keyDir)}.${randomBytes(8).toString('hex')}.new`;
    const fd = openSync(draft, 'wx', 0o600);
    writeFileSync(fd, `${deployment}\n`);
    fsyncSync(fd);
    closeSync(fd);
    try {
      linkSync(draft, ownerFile(keyDir));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  const owner = keyOwner(keyDir);
  if (owner !== deployment) throw otherOwner(keyDir, owner, `not to ${deployment}`);
}

/** What is said of a directory with another deployment's keys; `rather` says what it was to be used for. */
export function otherOwner(keyDir: string, owner: string | null, rather: string): KeyRefused {
  return new KeyRefused(
    'wrong_key',
    `the keys in ${keyDir} belong to deployment ${owner ?? '(unknown)'}, ${rather}: set SWORN_KEY_DIR or SWORN_DATA_DIR right`,
  );
}

function ownerFile(keyDir: string): string {
  return join(keyDir, 'deployment', 'id');
}
