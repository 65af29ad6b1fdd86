/**
 * Keeps `package-lock.json` free of places: no download address and no path, only names, versions and hashes, so that
 * the same file serves behind any registry mirror (docs/decisions/0001-lock-file-without-places.md).
 *
 *   node scripts/lock.mjs            after a change of any package.json: installs and writes the lock file
 *   node scripts/lock.mjs --check    reports a lock file with places, without hashes, or behind a package.json
 *
 * npm installs from a lock entry of a workspace that gives its version alone, but does not update such a lock file. So an
 * update first puts the entries back as npm writes them.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

const PATH = join(root, 'package-lock.json');
const LINKED = /^node_modules\/@sworn\//;
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'];

await leaveWith(() => (process.argv.includes('--check') ? check() : update()));

function check() {
  const text = readFileSync(PATH, 'utf8');
  const lock = JSON.parse(text);
  const faults = [...unhashed(lock), ...behind(lock)];
  if (written(withoutPlaces(lock)) !== text) faults.push('it names places (`resolved`)');
  for (const fault of faults) process.stderr.write(`package-lock.json: ${fault}\n`);
  if (faults.length > 0) process.stderr.write('run `node scripts/lock.mjs`\n');
  return faults.length === 0 ? 0 : 1;
}

function update() {
  writeFileSync(PATH, written(asNpmWritesIt(JSON.parse(readFileSync(PATH, 'utf8')))));
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit' });
  writeFileSync(PATH, written(withoutPlaces(JSON.parse(readFileSync(PATH, 'utf8')))));
  return status ?? 1;
}

function withoutPlaces(lock) {
  const packages = Object.entries(lock.packages).map(([place, { resolved, ...entry }]) => {
    return [place, entry.link === true ? { version: lock.packages[resolved].version } : entry];
  });
  return { ...lock, packages: Object.fromEntries(packages) };
}

function asNpmWritesIt(lock) {
  const folderOf = new Map(workspaces(lock).map(([folder, { name }]) => [`node_modules/${name}`, folder]));
  const packages = Object.entries(lock.packages).map(([place, entry]) => {
    return [place, LINKED.test(place) ? { resolved: folderOf.get(place), link: true } : entry];
  });
  return { ...lock, packages: Object.fromEntries(packages) };
}

function workspaces(lock) {
  return Object.entries(lock.packages).filter(([place]) => place !== '' && !place.includes('node_modules/'));
}

function unhashed(lock) {
  return Object.entries(lock.packages)
    .filter(([place, entry]) => place.includes('node_modules/') && !LINKED.test(place) && entry.integrity === undefined)
    .map(([place]) => `${place} has no integrity hash`);
}

/** Workspaces whose dependencies are not those of their package.json: `npm ci` does not look. */
function behind(lock) {
  return [['', lock.packages['']], ...workspaces(lock)].flatMap(([folder, entry]) => {
    const wanted = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    return KINDS.filter((kind) => sorted(wanted[kind]) !== sorted(entry[kind])).map(
      (kind) => `${folder || 'the root'} has other ${kind}`,
    );
  });
}

function sorted(dependencies = {}) {
  return JSON.stringify(Object.entries(dependencies).sort());
}

function written(lock) {
  return `${JSON.stringify(lock, null, 2)}\n`;
}
