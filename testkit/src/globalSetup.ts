import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startTestCluster } from './cluster.js';
import { makeTemplate } from './database.js';

/**
 * One cluster and one migrated template database for the whole run, which files clone. Started when the first file asks, at the socket
 * whose path is handed to all of them: a run without a database costs nothing.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync('/tmp/sworn-desk-');
  let template: ReturnType<typeof open> | undefined;
  const desk = createServer((socket) => {
    socket.on('error', () => undefined);
    template ??= open();
    template.then(
      ({ run }) => socket.end(JSON.stringify({ run })),
      (error: unknown) => socket.end(JSON.stringify({ error: String(error) })),
    );
  });
  const path = join(dir, 'desk');
  await new Promise<void>((resolve, reject) => desk.once('error', reject).listen(path, resolve));
  project.provide('databaseDesk', path);
  return async () => {
    desk.close();
    rmSync(dir, { recursive: true, force: true });
    // One that failed to open has already said so to every file that asked.
    const opened = await template?.catch(() => undefined);
    await opened?.close();
  };
}

async function open() {
  const cluster = await startTestCluster(process.env['SWORN_TEST_DATABASE_URL']);
  try {
    const template = await makeTemplate(cluster);
    return {
      run: template.run,
      async close() {
        await template.drop();
        await cluster.stop();
      },
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
