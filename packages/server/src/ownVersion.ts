import { readFileSync } from 'node:fs';

/** Of this package, which is that of Sworn. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
