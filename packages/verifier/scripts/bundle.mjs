/** Puts the verifier into one plain file, `dist/verify.mjs`, that runs on a bare Node, and its library into another, `dist/verify.browser.mjs`, for pages. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version, license } = JSON.parse(readFileSync(file('../package.json'), 'utf8'));

/** One file without a foreign import. */
async function inOneFile(input, platform) {
  const bundle = await rolldown({ input: file(`../dist/${input}`), platform });
  const { output } = await bundle.generate({ format: 'esm', comments: false, minify: false });
  await bundle.close();
  if (output.length !== 1) throw new Error('the verifier is not one file');
  const [{ code, imports }] = output;
  const foreign = imports.filter((name) => platform !== 'node' || !name.startsWith('node:'));
  if (foreign.length > 0) throw new Error(`the verifier would need ${foreign.join(', ')}`);
  return code;
}

const banner = `// Sworn ${version}: verifies evidence bundles (sworn.bundle/1).`;
const node = await inOneFile('main.node.js', 'node');
writeFileSync(
  file('../dist/verify.mjs'),
  `#!/usr/bin/env node\n${banner} Needs Node 20 or newer and nothing else. ${license}.\n${node}`,
  { mode: 0o755 },
);
const browser = await inOneFile('index.js', 'browser');
writeFileSync(
  file('../dist/verify.browser.mjs'),
  `${banner} For a page; sends nothing anywhere. ${license}.\n${browser}`,
);
