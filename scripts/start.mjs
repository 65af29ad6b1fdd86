/** `npm start`: installs and builds when needed, then `sworn serve --demo` in this same process, so that signals and exit code are its own. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { leaveWith, root, setUp } from './setUp.mjs';

await leaveWith(async () => {
  setUp({ projects: ['packages/cli'] });
  const main = join(root, 'packages/cli/dist/main.js');
  process.argv = [process.execPath, main, 'serve', '--demo', ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
  return process.exitCode ?? 0;
});
