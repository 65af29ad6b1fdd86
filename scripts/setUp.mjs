/**
 * Makes a clone runnable: dependencies as the lock file names them, then the compiled packages.
 * Plain Node, no dependency: it runs before `node_modules` exists. Says what it does and how long it took, and nothing
 * when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
  closeSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The oldest Node that `package.json` allows. */
const OLDEST_NODE = [20, 19];

/** Another set-up in the same clone is waited for this long before its lock is an error. */
const LOCK_PATIENCE_MS = 600_000;

/**
 * Installs and builds what is missing or stale.
 * @param {{ projects: string[], note?: (line: string) => void }} what TypeScript projects to build, by folder.
 */
export function setUp({ projects, note = (line) => process.stderr.write(`${line}\n`) }) {
  refuseOldNode();
  if (!needsInstall() && !needsBuild(projects)) return;
  withLock(note, () => {
    if (needsInstall()) {
      step(note, 'installing dependencies (npm ci)', () => run(npm(), npmCiArguments()));
    }
    if (needsBuild(projects)) {
      const fingerprint = sourceFingerprint(); // before compiling: an edit made meanwhile is compiled next time
      step(note, `compiling ${projects.join(', ')}`, () => {
        run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...projects]);
        run(process.execPath, [join(root, 'packages/verifier/scripts/bundle.mjs')]);
      });
      writeFileSync(buildStamp(projects), fingerprint);
    }
  });
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  process.stderr.write(
    `Sworn needs Node ${OLDEST_NODE.join('.')} or newer (24 is recommended); this is ${process.versions.node}.\n`,
  );
  process.exit(1);
}

/**
 * npm writes `node_modules/.package-lock.json` last, so a finished install is one whose every package stands there as
 * the lock file names it. Packages for other platforms are absent by right.
 */
function needsInstall() {
  const wanted = readJson(join(root, 'package-lock.json'));
  const installed = readJson(join(root, 'node_modules/.package-lock.json'));
  if (wanted === null) throw new Error('package-lock.json is missing');
  if (installed === null) return true;
  return Object.entries(wanted.packages).some(([place, entry]) => {
    if (!place.startsWith('node_modules/') || !isForThisPlatform(entry)) return false;
    // What only packages for other platforms need: optional itself, and for no platform in particular.
    if (entry.optional === true && entry.os === undefined) return false;
    const found = installed.packages[place];
    if (found === undefined) return true;
    return found.link !== true && found.version !== entry.version;
  });
}

function isForThisPlatform({ os, cpu, libc }) {
  if (libc !== undefined) return false; // either libc may be this machine's; the packages of ours name none
  const allows = (list, here) => list === undefined || list.includes(here);
  return allows(os, process.platform) && allows(cpu, process.arch);
}

function npmCiArguments() {
  // A home that cannot be written to (a service user's) would stop npm at its cache.
  const cache = isWritable(homedir()) ? [] : ['--cache', join(root, '.cache/npm')];
  return ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--no-update-notifier', ...cache];
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

function buildStamp(projects) {
  return join(root, '.cache', `built-${createHash('sha256').update(projects.join()).digest('hex').slice(0, 16)}`);
}

function needsBuild(projects) {
  if (projects.length === 0) return false;
  try {
    if (readFileSync(buildStamp(projects), 'utf8') !== sourceFingerprint()) return true;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return true;
  }
  return [...packageFolders(), ...projects].some((folder) => !existsSync(join(root, folder, 'dist/.tsbuildinfo')));
}

function packageFolders() {
  return readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
}

/** Size and time of every source and of the lock file: cheaper than asking the compiler, which takes a second. */
function sourceFingerprint() {
  const hash = createHash('sha256');
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) hash.update(`${path} absent\n`);
    else if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const folder of [...packageFolders(), 'testkit', 'bench']) {
    for (const part of ['src', 'tsconfig.json', 'package.json']) visit(join(root, folder, part));
  }
  for (const name of ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json']) visit(join(root, name));
  return hash.digest('hex');
}

function withLock(note, work) {
  const path = join(root, '.cache/set-up.lock');
  mkdirSync(dirname(path), { recursive: true });
  const end = Date.now() + LOCK_PATIENCE_MS;
  for (let told = false; ; ) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isAbandoned(path)) {
        rmSync(path, { force: true });
        continue;
      }
      if (Date.now() > end)
        throw new Error(`another set-up holds ${path}; delete it if none is running`, { cause: error });
      if (!told) note('waiting for another set-up in this clone');
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    }
  }
  try {
    work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** The holder died without its last word: its process is gone. A lock still without a process id is being written. */
function isAbandoned(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (!Number.isInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

function step(note, what, work) {
  const begun = Date.now();
  note(`${what} …`);
  work();
  note(`  done in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}

/** Runs to the end; on failure shows what it said and leaves with its exit code. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error !== undefined) throw error;
  if (status !== 0) {
    process.stderr.write(`failed: ${command} ${args.join(' ')}\n`);
    throw new SetUpFailed(status ?? 1);
  }
}

/** A step said on its own what went wrong; the caller leaves with its code. */
export class SetUpFailed extends Error {
  constructor(code) {
    super('set-up failed');
    this.code = code;
  }
}

/** Runs a script's main function and leaves with its number; a failed set-up has said why already. */
export async function leaveWith(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetUpFailed)) process.stderr.write(`${error.stack ?? error}\n`);
    process.exitCode = error instanceof SetUpFailed ? error.code : 1;
  }
}

function isWritable(path) {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}
