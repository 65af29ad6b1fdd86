/** Asks publint whether each package's `exports` lead to files that are there, as someone importing it would find out. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

await leaveWith(async () => {
  const { publint } = await import('publint');
  const { formatMessage } = await import('publint/utils');
  let faults = 0;
  for (const name of readdirSync(join(root, 'packages')).sort()) {
    const { messages, pkg } = await publint({ pkgDir: join(root, 'packages', name), pack: false, level: 'warning' });
    for (const message of messages) process.stderr.write(`packages/${name}: ${formatMessage(message, pkg)}\n`);
    faults += messages.length;
  }
  return faults === 0 ? 0 : 1;
});
