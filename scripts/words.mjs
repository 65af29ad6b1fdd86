/**
 * Looks through what git tracks for work left for later, tests switched off, files too long for two screens, and
 * anything that belongs to one machine. The words are put together here so that this file does not name itself.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

/** Past this a source file is two ideas; tests and generated files may be longer. */
const MAX_LINES = 350;

const FORBIDDEN = [
  {
    pattern: new RegExp(
      `\\b(${[
        ['TO', 'DO'],
        ['FIX', 'ME'],
        ['HA', 'CK'],
      ]
        .map((halves) => halves.join(''))
        .join('|')})\\b`,
    ),
    what: 'left for later',
  },
  { pattern: /\b(it|test|describe)\.(skip|only|todo|fails)\(/, what: 'a test switched off or alone' },
  { pattern: new RegExp(['registry', 'npmjs', 'org'].join('\\.')), what: 'a registry host' },
  {
    pattern: new RegExp(`(^|[\\s"'\`(=])${dirname(root)}/`),
    what: 'a path of this machine',
    applies: dirname(root).length > 1,
  },
];

await leaveWith(() => {
  const { status, stdout } = spawnSync('git', ['-c', `safe.directory=${root}`, 'ls-files', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) {
    process.stdout.write('not a git clone: nothing to look through\n');
    return 0;
  }
  const files = stdout
    .split('\0')
    .filter(
      (path) => /\.(ts|mjs|cjs|md|json|yaml|sql)$|^\.ci\/|^\.npmrc$/.test(path) && !/\/(vectors|captures)\//.test(path),
    );
  const found = files.flatMap((path) => faultsOf(path));
  for (const fault of found) process.stderr.write(`${fault}\n`);
  return found.length === 0 ? 0 : 1;
});

function faultsOf(path) {
  let text;
  try {
    text = readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return []; // removed, not yet committed
    throw error;
  }
  const lines = text.split('\n');
  const faults = lines.flatMap((line, index) =>
    FORBIDDEN.filter(({ pattern, applies = true }) => applies && pattern.test(line)).map(
      ({ what }) => `${path}:${index + 1}: ${what}: ${line.trim().slice(0, 100)}`,
    ),
  );
  const isSource = /\/src\/.*\.ts$/.test(path) && !/[gG]enerated/.test(path);
  if (isSource && lines.length > MAX_LINES)
    faults.push(`${path}: ${lines.length} lines, more than two screens (${MAX_LINES})`);
  return faults;
}
