/**
 * Compares `docs/invariants.md` with the tests, both ways: every invariant has a test whose title begins with its id, in the files that the page
 * lists for it and in no other; every id that a title begins with, or that stands anywhere else in docs and sources, is on the page.
 * First it plants one fault of each kind, and fails if one goes unseen.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

const PAGE = 'docs/invariants.md';
const ID = /INV-[A-Z]+-[A-Z]+-\d{3}/g;
/** The beginning of a test's title, in any kind of quotes. */
const TITLE = /\b(?:it|test|describe)\b[^'"`\n]*(?:\n\s*)?['"`](INV-[A-Z]+-[A-Z]+-\d{3}): /g;

await leaveWith(() => {
  const tracked = spawnSync('git', ['-c', `safe.directory=${root}`, 'ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  if (tracked.status !== 0) throw new Error(`git ls-files: ${tracked.stderr}`);
  const files = tracked.stdout
    .split('\0')
    .filter((path) => /^(packages|docs|scripts|config)\/.*\.(ts|mjs|md|yaml|sql)$/.test(path));
  const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
  const page = texts.get(PAGE) ?? '';
  const unseen = planted(page, texts);
  const faults = [...unseen.map((what) => `goes unseen: ${what}`), ...faultsOf(page, texts)];
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  return faults.length === 0 ? 0 : 1;
});

/** What is wrong, a line each. */
function faultsOf(page, texts) {
  const listed = listedIn(page);
  const tagged = taggedIn(texts);
  const faults = [];
  for (const [id, files] of listed) {
    if (files.size === 0) faults.push(`${PAGE}: ${id} has no test`);
    for (const file of files)
      if (!tagged.get(id)?.has(file)) faults.push(`${PAGE}: ${id}: no test of ${file} has a title that begins with it`);
  }
  for (const [id, files] of tagged)
    for (const file of files)
      if (!listed.get(id)?.has(file)) faults.push(`${file}: a test of ${id}, which ${PAGE} does not list under it`);
  for (const [file, text] of texts)
    for (const [id] of text.matchAll(ID))
      if (!listed.has(id) && !tagged.has(id)) faults.push(`${file}: ${id} is not in ${PAGE}`);
  return faults;
}

/** Invariants of the page and the files listed under each. */
function listedIn(page) {
  const listed = new Map();
  for (const section of page.split(/^## /m).slice(1)) {
    const [id] = section.match(ID) ?? [];
    if (id === undefined) continue;
    listed.set(id, new Set([...section.matchAll(/^- `([^`]+)`$/gm)].map(([, file]) => file)));
  }
  return listed;
}

/** Ids that titles of tests begin with, and the files of those tests. */
function taggedIn(texts) {
  const tagged = new Map();
  for (const [file, text] of texts) {
    if (!file.endsWith('.test.ts')) continue;
    for (const [, id] of text.matchAll(TITLE)) tagged.set(id, (tagged.get(id) ?? new Set()).add(file));
  }
  return tagged;
}

/** Faults that are made up here and not found. */
function planted(page, texts) {
  const made = ['INV', 'LOG', 'PLANTED', '999'].join('-');
  const [first] = listedIn(page);
  if (first === undefined) return ['a page without invariants'];
  const [id, files] = first;
  const plants = [
    ['an invariant without a test', `${page}\n## ${made}: planted\n`, texts],
    ['a listed file without a test of it', page.replace(`## ${id}`, `## ${id}\n\n- \`docs/planted.test.ts\`\n`), texts],
    ['a test of no invariant', page, new Map([...texts, ['packages/planted.test.ts', `it('${made}: x', f);`]])],
    ['a test that is not listed', page, new Map([...texts, ['packages/planted.test.ts', `it('${id}: x', f);`]])],
    ['a listed test that is gone', page, new Map([...texts].filter(([file]) => !files.has(file)))],
    ['an id that is not on the page', page, new Map([...texts, ['docs/planted.md', made]])],
  ];
  const found = faultsOf(page, texts).length;
  return plants.filter(([, ...planting]) => faultsOf(...planting).length <= found).map(([what]) => what);
}
