/**
 * `node scripts/byUrl.mjs <statements>`: of the server's tests that were run on a PostgreSQL by URL, prints those that need not be, because each statement that
 * they sent was sent by one of the others too. Says on the other channel what is given up. `BY_URL=measure bash .ci/run` calls it with what
 * `testkit/src/statements.ts` wrote.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What a URL changes beside the statements: who makes roles and migrations, COPY or unnest, a connection that is cut, how a version plans. */
const ALWAYS = /^(fault|walls|migrate|catalogue|copy)|Plans$/;
/** A statement that no cheaper file sends is given up where it costs more than this: two of the longest would take as long as all the others. */
const MAX_MS_PER_STATEMENT = 15_000;

const files = readFileSync(process.argv[2], 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .map(({ file, milliseconds, statements }) => ({
    name: basename(file, '.test.ts'),
    milliseconds,
    // What is explained is sent as it is, too.
    shapes: new Set(statements.map(shapeOf).filter((shape) => !/^(explain|set local sworn\.tenant)/.test(shape))),
  }));
const { run, givenUp } = enough(files);
const spared = files.filter((file) => !run.includes(file));
const seconds = (some) => Math.round(some.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000);
console.error(`${run.length} of ${files.length} files, ${seconds(run)} s of ${seconds(files)}`);
for (const { name, shape } of givenUp) console.error(`given up with ${name}: ${shape}`);
console.log(
  spared
    .map(({ name }) => name)
    .toSorted()
    .join('\n'),
);

/** The text without values: commands other than queries keep theirs. */
function shapeOf(text) {
  return text
    .replaceAll(/\b(sworn_)?t[0-9a-f]{8}\w*/g, 'name')
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/'[^']*'/g, 'n')
    .replaceAll(/\$?\b\d+\b/g, 'n')
    .replaceAll(/\$n\b/g, 'n')
    .replaceAll(/\bn(\s*,\s*n)+\b/g, 'n')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}

/** Greedy: the next one has the most new shapes a second. Then those go whose shapes the others have. */
function enough(all) {
  const taken = all.filter(({ name }) => ALWAYS.test(name));
  const left = new Set(all.flatMap(({ shapes }) => [...shapes]));
  const take = (shapes) => shapes.forEach((shape) => left.delete(shape));
  for (const { shapes } of taken) take(shapes);
  const given = [];
  while (left.size > 0) {
    const worth = ({ shapes, milliseconds }) => [...shapes].filter((shape) => left.has(shape)).length / milliseconds;
    const best = all.reduce((a, b) => (worth(b) > worth(a) ? b : a));
    if (worth(best) >= 1 / MAX_MS_PER_STATEMENT) taken.push(best);
    else for (const shape of best.shapes) if (left.has(shape)) given.push({ name: best.name, shape });
    take(best.shapes);
  }
  for (const one of taken.toSorted((a, b) => b.milliseconds - a.milliseconds)) {
    if (ALWAYS.test(one.name)) continue;
    const others = new Set(taken.filter((other) => other !== one).flatMap(({ shapes }) => [...shapes]));
    if ([...one.shapes].every((shape) => others.has(shape))) taken.splice(taken.indexOf(one), 1);
  }
  return { run: taken, givenUp: given };
}
