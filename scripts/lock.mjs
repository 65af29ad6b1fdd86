/**
 * Keeps `package-lock.json` free of places: no download address and no path, only names, versions and hashes, so that
 * the same file serves behind any registry mirror. `--check` reports instead of writing.
 *
 * npm accepts a lock entry of a workspace that gives its version alone: it links the workspace because `package.json`
 * lists it, and compares names and versions. After an `npm install` that changed the lock, run `node scripts/lock.mjs`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

await leaveWith(() => {
  const path = join(root, 'package-lock.json');
  const text = readFileSync(path, 'utf8');
  const lock = JSON.parse(text);
  for (const [place, entry] of Object.entries(lock.packages)) {
    if (entry.link === true) lock.packages[place] = { version: lock.packages[entry.resolved].version };
    else delete entry.resolved;
  }
  const unhashed = Object.entries(lock.packages)
    .filter(
      ([place, entry]) =>
        place.startsWith('node_modules/') && !place.startsWith('node_modules/@sworn/') && entry.integrity === undefined,
    )
    .map(([place]) => place);
  for (const place of unhashed) process.stderr.write(`package-lock.json: ${place} has no integrity hash\n`);
  const clean = `${JSON.stringify(lock, null, 2)}\n`;
  if (clean === text) return unhashed.length === 0 ? 0 : 1;
  if (process.argv.includes('--check')) {
    process.stderr.write('package-lock.json names places (`resolved`): run `node scripts/lock.mjs`\n');
    return 1;
  }
  writeFileSync(path, clean);
  return unhashed.length === 0 ? 0 : 1;
});
