/**
 * Follows every link of the pages that git tracks to the file and heading it names. Links out of the clone are left alone: whether a host answers says
 * nothing about a change.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

await leaveWith(() => {
  const { status, stdout } = spawnSync('git', ['-c', `safe.directory=${root}`, 'ls-files', '-z', '*.md'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) {
    process.stdout.write('not a git clone: nothing to look through\n');
    return 0;
  }
  // What was removed and is not committed yet is no page any more.
  const pages = stdout.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
  const dead = pages.flatMap((page) => deadLinksOf(page));
  for (const link of dead) process.stderr.write(`${link}\n`);
  return dead.length === 0 ? 0 : 1;
});

function deadLinksOf(page) {
  return prose(page)
    .flatMap((line, index) => [...line.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => ({ target, index })))
    .filter(({ target }) => !/^[a-z]+:/.test(target) && !leads(page, target))
    .map(({ target, index }) => `${page}:${index + 1}: ${target} leads nowhere`);
}

function leads(page, target) {
  const [path, heading] = target.split('#');
  const file = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (!existsSync(file)) return false;
  return heading === undefined || (statSync(file).isFile() && headingsOf(file).includes(heading));
}

/** Anchors of a page, as GitHub makes them of its headings. */
function headingsOf(file) {
  return prose(file)
    .map((line) => /^#+ (.+)$/.exec(line)?.[1])
    .filter((text) => text !== undefined)
    .map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    );
}

/** Lines of a page, those of code blocks emptied. */
function prose(page) {
  let isCode = false;
  return readFileSync(resolve(root, page), 'utf8')
    .split('\n')
    .map((line) => {
      if (line.startsWith('```')) isCode = !isCode;
      return isCode ? '' : line;
    });
}
