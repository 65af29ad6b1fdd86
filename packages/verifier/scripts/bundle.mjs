/** Puts the verifier into one plain file, `dist/verify.mjs`, that runs on a bare Node. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version, license } = JSON.parse(readFileSync(file('../package.json'), 'utf8'));

const bundle = await rolldown({ input: file('../dist/main.node.js'), platform: 'node' });
const { output } = await bundle.generate({ format: 'esm', comments: false, minify: false });
await bundle.close();
if (output.length !== 1) throw new Error('the verifier is not one file');
const [{ code, imports }] = output;
const foreign = imports.filter((name) => !name.startsWith('node:'));
if (foreign.length > 0) throw new Error(`the verifier would need ${foreign.join(', ')}`);
const banner = `#!/usr/bin/env node\n// Sworn ${version}: verifies evidence bundles (sworn.bundle/1). Needs Node 20 or newer and nothing else. ${license}.\n`;
writeFileSync(file('../dist/verify.mjs'), banner + code, { mode: 0o755 });
