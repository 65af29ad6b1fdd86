/** `npm run bench -- [--only <row>] [--json <file>]`: installs and builds when needed, then measures. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { leaveWith, root, setUp } from './setUp.mjs';

await leaveWith(async () => {
  setUp({ projects: ['packages/cli', 'testkit', 'bench'] });
  const main = join(root, 'bench/dist/main.js');
  process.argv = [process.execPath, main, ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
  return process.exitCode ?? 0;
});
