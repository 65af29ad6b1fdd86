/**
 * Holds the import arrows with dependency-cruiser, and first proves that it looks: a small tree with one violation of
 * every rule is planted in a temporary folder, and each must be reported. (With a TypeScript it does not know,
 * dependency-cruiser reads no file and passes everything.)
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { leaveWith, root } from './setUp.mjs';

const CONFIG = '.dependency-cruiser.cjs';

/** Rule → the file that breaks it and what it says. Imported files are planted empty. */
const PLANTED = {
  'evidence-depends-on-nothing': [
    'packages/evidence/src/tree.ts',
    "import { readFileSync } from 'node:fs';\nexport const a = readFileSync;\n",
  ],
  'evidence-node-part-uses-crypto-only': [
    'packages/evidence/src/sha256.node.ts',
    "import { request } from 'node:http';\nexport const a = request;\n",
  ],
  'verifier-depends-on-evidence-and-node-only': [
    'packages/verifier/src/bag/manifest.ts',
    "import { Type } from 'typebox';\nexport const a = Type;\n",
  ],
  'verifier-core-runs-in-a-browser': [
    'packages/verifier/src/archive/open.ts',
    "import { readFileSync } from 'node:fs';\nexport const a = readFileSync;\n",
  ],
  'contract-depends-on-typebox-only': [
    'packages/contract/src/page.ts',
    "import { join } from 'node:path';\nexport const a = join;\n",
  ],
  'sql-only-in-store': ['packages/server/src/read/run.ts', "import pg from 'pg';\nexport const a = pg;\n"],
  'fastify-only-in-http': [
    'packages/server/src/read/step.ts',
    "import fastify from 'fastify';\nexport const a = fastify;\n",
  ],
  'otlp-is-pure': ['packages/server/src/otlp/wire.ts', "import { b } from '../record/leaf.js';\nexport const a = b;\n"],
  'report-is-pure': [
    'packages/server/src/export/report/page.ts',
    "import { b } from '../../record/leaf.js';\nexport const a = b;\n",
  ],
  'store-knows-no-layer-above': [
    'packages/server/src/store/leaf.ts',
    "import { b } from '../record/leaf.js';\nexport const a = b;\n",
  ],
  'middle-knows-no-edge': [
    'packages/server/src/seal/sealer.ts',
    "import { b } from '../ingest/accept.js';\nexport const a = b;\n",
  ],
  'nobody-imports-app': ['packages/server/src/sign/signer.ts', "import { b } from '../app.js';\nexport const a = b;\n"],
  'packages-by-name': [
    'packages/cli/src/main.ts',
    "import { b } from '../../server/src/app.js';\nexport const a = b;\n",
  ],
  'no-circular': [
    'packages/server/src/record/circle.ts',
    "import { b } from './circleBack.js';\nexport const a = b;\n",
  ],
};
const IMPORTED = {
  'packages/server/src/record/leaf.ts': 'export const b = 1;\n',
  'packages/server/src/ingest/accept.ts': 'export const b = 1;\n',
  'packages/server/src/app.ts': 'export const b = 1;\n',
  'packages/server/src/record/circleBack.ts': "import { a } from './circle.js';\nexport const b = a;\n",
};

await leaveWith(() => {
  const rules = createRequire(import.meta.url)(join(root, CONFIG)).forbidden.map((rule) => rule.name);
  const seen = plantedViolationsSeen();
  const blind = rules.filter((rule) => !seen.has(rule));
  if (blind.length > 0) {
    process.stderr.write(`a planted violation went unseen, so these rules hold nothing: ${blind.join(', ')}\n`);
    return 1;
  }
  const { status, stdout, stderr } = cruise(root, ['packages', 'testkit', 'bench'], 'err-long');
  process.stdout.write(stdout + stderr);
  return status;
});

function plantedViolationsSeen() {
  const folder = mkdtempSync(join(tmpdir(), 'sworn-arrows-'));
  try {
    const files = { ...IMPORTED, ...Object.fromEntries(Object.values(PLANTED)) };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    for (const name of [CONFIG, 'tsconfig.base.json']) cpSync(join(root, name), join(folder, name));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const { summary } = JSON.parse(cruise(folder, ['packages'], 'json').stdout);
    return new Set(summary.violations.filter((v) => v.from === PLANTED[v.rule.name]?.[0]).map((v) => v.rule.name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function cruise(cwd, folders, output) {
  const tool = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  return spawnSync(process.execPath, [tool, '--config', CONFIG, '--output-type', output, ...folders], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
}
