/** `npm start`: installs and builds when needed, then `sworn serve --demo` in this same process, so that signals and exit code are its own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { leaveWith, root, setUp } from './setUp.mjs';

// Node would open an inspector, and this process is to become the server; the command does the same.
process.on('SIGUSR1', () => undefined);

await leaveWith(async () => {
  const refusal = await directoryInUse();
  if (refusal !== null) {
    process.stderr.write(`sworn: ${refusal}\n`);
    return 2;
  }
  setUp({ projects: ['packages/cli'] });
  const main = join(root, 'packages/cli/dist/main.js');
  process.argv = [process.execPath, main, 'serve', '--demo', ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
  return process.exitCode ?? 0;
});

/**
 * Why nothing may be installed or compiled now: a server runs on the data directory, most likely from this very clone. Asks the last build, of
 * which three files without dependencies are enough; one that cannot answer leaves the question to `serve`.
 */
async function directoryInUse() {
  try {
    const [{ readConfig }, { arrangePlaces }, { lockOwner, inUse }] = await Promise.all(
      // Under another name: after a build the same files are loaded anew.
      ['config', 'embedded/places', 'embedded/parentLock'].map(
        (name) => import(`${pathToFileURL(join(root, `packages/server/dist/${name}.js`)).href}?before-set-up`),
      ),
    );
    const { dataDir, databaseUrl } = readConfig(process.env);
    if (databaseUrl !== null || !existsSync(join(dataDir, 'pgdata'))) return null;
    const pid = await lockOwner(arrangePlaces(dataDir).runDir);
    return pid === null ? null : inUse(dataDir, pid);
  } catch {
    return null;
  }
}
