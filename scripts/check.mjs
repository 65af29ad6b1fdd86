/**
 * `npm run check [-- <name> …]`: the one gate. Runs every check, or those named, to the end, then says which failed and how to mend it.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { leaveWith, root, setUp } from './setUp.mjs';

const bin = (path) => [process.execPath, join(root, 'node_modules', path)];
const script = (name, ...args) => [process.execPath, join(root, 'scripts', name), ...args];

/** In the order of what is quickest to mend. */
const CHECKS = [
  { name: 'lock', what: 'lock file', command: script('lock.mjs', '--check'), mend: 'node scripts/lock.mjs' },
  {
    name: 'format',
    what: 'format',
    command: [...bin('@biomejs/biome/bin/biome'), 'format', '.'],
    mend: 'npx biome format --write .',
  },
  {
    name: 'types',
    what: 'types, tests included',
    command: [...bin('typescript/bin/tsc'), '-b'],
    mend: 'npx tsc -b shows the errors',
  },
  {
    name: 'lint',
    what: 'type-aware lint',
    command: [...bin('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings'],
    mend: 'npx oxlint --type-aware; a rule that hurts is changed in .oxlintrc.json, in the open',
  },
  {
    name: 'arrows',
    what: 'import arrows, and that planted violations are caught',
    command: script('arrows.mjs'),
    mend: 'ARCHITECTURE.md, "Who may import whom"; rules in .dependency-cruiser.cjs',
  },
  {
    name: 'unused',
    what: 'unused files, exports and dependencies',
    command: [...bin('knip/bin/knip.js'), '--no-progress'],
    mend: 'delete what nobody uses; entry points are named in knip.json',
  },
  {
    name: 'words',
    what: 'nothing left for later, nothing of one machine',
    command: script('words.mjs'),
    mend: 'finish it, or say it in docs/',
  },
  {
    name: 'links',
    what: 'links of the pages lead to what is there',
    command: script('links.mjs'),
    mend: 'the page and line are named; links out of the clone are not followed',
  },
  {
    name: 'invariants',
    what: 'every invariant has its tests, and every such test its invariant',
    command: script('invariants.mjs'),
    mend: 'docs/invariants.md lists under each invariant the files whose tests begin with its id',
  },
  {
    name: 'configuration',
    what: 'docs/operate/configuration.md is up to date',
    command: script('configurationPage.mjs', '--check'),
    mend: 'node scripts/configurationPage.mjs',
  },
  {
    name: 'contract',
    what: 'openapi.json and the pages of the contract are up to date',
    command: [process.execPath, join(root, 'packages/contract/scripts/generate.mjs'), '--check'],
    mend: 'npm run generate -w @sworn/contract; of an endpoint without an example it says how one is recorded',
  },
  {
    name: 'packages',
    what: 'packages as others would import them',
    command: script('publishable.mjs'),
    mend: 'exports and files in the package.json named',
  },
];

await leaveWith(async () => {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `no check is called ${unknown.join(', ')}; there are ${CHECKS.map((check) => check.name).join(', ')}\n`,
    );
    return 2;
  }
  setUp({ projects: [] });
  const failed = CHECKS.filter((check) => (wanted.length === 0 || wanted.includes(check.name)) && !passes(check));
  for (const { name, mend } of failed) process.stdout.write(`\n✗ ${name}: ${mend}`);
  process.stdout.write(
    failed.length === 0
      ? '\nThe gate is open.\n'
      : `\n\n${failed.length} of ${wanted.length || CHECKS.length} checks failed.\n`,
  );
  return failed.length === 0 ? 0 : 1;
});

function passes({ what, command }) {
  const begun = Date.now();
  const [file, ...args] = command;
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  const took = `${((Date.now() - begun) / 1000).toFixed(1)} s`;
  process.stdout.write(`${status === 0 ? '✓' : '✗'} ${what} (${took})\n`);
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`);
  return status === 0;
}
