/** `npm run tamper -- [--only <part of a name>] [--markdown <file>] [--json <file>]`: installs and builds when needed, then strikes. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { leaveWith, root, setUp } from './setUp.mjs';

await leaveWith(async () => {
  setUp({ projects: ['packages/cli', 'testkit'] });
  const main = join(root, 'testkit/dist/tamper/main.js');
  process.argv = [process.execPath, main, ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
  return process.exitCode ?? 0;
});
