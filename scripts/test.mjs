/**
 * `npm test [-- <file or name> …]`: installs and builds when needed, runs vitest, and closes with one line
 * `N passed, N failed, N skipped`. No test at all is a failure.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leaveWith, root, setUp } from './setUp.mjs';

await leaveWith(async () => {
  setUp({ projects: ['packages/cli', 'testkit', 'bench'] });
  const folder = mkdtempSync(join(tmpdir(), 'sworn-test-'));
  try {
    const reportFile = join(folder, 'report.json');
    const code = await vitest([
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...process.argv.slice(2),
    ]);
    return closingLine(readReport(reportFile), code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function vitest(args) {
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  // From a terminal the child has the signal already; from elsewhere it comes to this process alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (!process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Prints the counts and gives the exit code. A file that did not load, or an error outside any test, counts as one failed. */
function closingLine(report, code) {
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const count = (status) => tests.filter((test) => test.status === status).length;
  const passed = count('passed');
  const skipped = tests.length - passed - count('failed');
  const unloaded = report.testResults.filter(
    (f) => f.status === 'failed' && !f.assertionResults.some((t) => t.status === 'failed'),
  ).length;
  let failed = count('failed') + unloaded;
  if (failed === 0 && (code !== 0 || passed === 0)) {
    failed = 1;
    process.stdout.write(
      passed === 0 ? 'no test ran, which counts as a failure\n' : 'vitest failed outside any test, see above\n',
    );
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed === 0 ? 0 : code || 1;
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return { testResults: [] };
    throw error;
  }
}
