import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where `.ci/run` puts a Node 24; CONTRIBUTING.md says how anybody does. */
const PLACE = `../../.cache/node-24/node_modules/node-${process.platform}-${process.arch}/bin/node`;

/** Another Node than the one that runs the tests; null: nobody has put it there. */
export function nodeOf24(): string | null {
  const path = fileURLToPath(new URL(PLACE, import.meta.url));
  return existsSync(path) ? path : null;
}
