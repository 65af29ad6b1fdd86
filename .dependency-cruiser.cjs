/**
 * The import arrows of ARCHITECTURE.md. Paths are relative to the repository; `scripts/arrows.mjs` plants one violation
 * of every rule and fails if one goes unseen.
 */
const server = (part) => `^packages/server/src/${part}/`;
const inServer = (...parts) => `^packages/server/src/(${parts.join('|')})/`;
const pkg = (name) => `(^|/)node_modules/${name}(/|$)|^${name}(/|$)`;

module.exports = {
  forbidden: [
    {
      name: 'evidence-depends-on-nothing',
      comment:
        'What a leaf, tree and proof are must run in a browser and in an auditor’s hands: no other package, no I/O.',
      severity: 'error',
      from: { path: '^packages/evidence/src/', pathNot: '\\.node\\.ts$' },
      to: { pathNot: '^packages/evidence/src/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'evidence-node-part-uses-crypto-only',
      comment: 'The Node half of #sha256 may import node:crypto and nothing else.',
      severity: 'error',
      from: { path: '^packages/evidence/src/.*\\.node\\.ts$' },
      to: { pathNot: '^packages/evidence/src/|^(node:)?crypto$' },
    },
    {
      name: 'verifier-depends-on-evidence-and-node-only',
      comment:
        'What an auditor runs has this list of dependencies as its security claim: evidence, and what Node brings.',
      severity: 'error',
      from: { path: '^packages/verifier/src/' },
      to: { pathNot: '^packages/verifier/src/|^packages/evidence/|@sworn/evidence', dependencyTypesNot: ['core'] },
    },
    {
      name: 'verifier-core-runs-in-a-browser',
      comment: 'The same code verifies in a browser: what needs Node stands in files that are called *.node.ts.',
      severity: 'error',
      from: { path: '^packages/verifier/src/', pathNot: '\\.node\\.ts$' },
      to: { path: '\\.node\\.ts$|^node:|^(fs|crypto|path|stream|zlib|buffer|process)(/|$)' },
    },
    {
      name: 'contract-depends-on-typebox-only',
      comment: 'What the API says must not know how it is served.',
      severity: 'error',
      from: { path: '^packages/contract/src/' },
      to: { pathNot: `^packages/contract/src/|^packages/evidence/|@sworn/evidence|${pkg('typebox')}` },
    },
    {
      name: 'sql-only-in-store',
      comment: 'All SQL stands in store/, where each question names its tenant and its index.',
      severity: 'error',
      from: { path: '^packages/(server|cli)/src/', pathNot: server('store') },
      to: { path: `${pkg('pg')}|${pkg('pg-copy-streams')}` },
    },
    {
      name: 'fastify-only-in-http',
      comment: 'Only http/ knows the web framework.',
      severity: 'error',
      from: { path: '^packages/', pathNot: server('http') },
      to: { path: `${pkg('fastify')}|${pkg('@fastify/[^/]+')}` },
    },
    {
      name: 'otlp-is-pure',
      comment: 'Decoding and mapping sit beside evidence: bytes in, values out.',
      severity: 'error',
      from: { path: server('otlp') },
      to: {
        path: `${inServer('mapping', 'store', 'record', 'seal', 'sign', 'read', 'check', 'export', 'ingest', 'http', 'access', 'embedded')}|^packages/server/src/(app|main|config)\\.ts$`,
      },
    },
    {
      name: 'report-is-pure',
      comment: 'A report is made of a bundle and of nothing else: evidence, and what writes PDF.',
      severity: 'error',
      from: { path: server('export/report') },
      to: {
        pathNot: `${server('export/report')}|^packages/evidence/|@sworn/evidence|${pkg('(pdfkit|@types/pdfkit|fontkit|@types/fontkit|bidi-js)')}`,
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'store-knows-no-layer-above',
      comment: 'store ← (record · seal · sign · read · export) ← (ingest · http).',
      severity: 'error',
      from: { path: server('store') },
      to: {
        path: inServer(
          'mapping',
          'record',
          'seal',
          'sign',
          'read',
          'check',
          'export',
          'ingest',
          'http',
          'access',
          'embedded',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'middle-knows-no-edge',
      comment: 'The middle layer does not know who called it.',
      severity: 'error',
      from: { path: inServer('record', 'seal', 'sign', 'read', 'check', 'export') },
      to: { path: inServer('ingest', 'http'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-imports-app',
      comment: 'app.ts composes; only what loads it on demand and the package’s index look at it.',
      severity: 'error',
      from: { path: '^packages/server/src/', pathNot: '^packages/server/src/(onDemand|index|deployment)\\.ts$' },
      to: { path: '^packages/server/src/(app|main)\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'packages-by-name',
      comment: 'A package is reached through its index, never through another package’s files.',
      severity: 'error',
      from: { path: '^(packages/[^/]+|testkit|bench)/(src|test)/' },
      to: { path: '^(packages/[^/]+|testkit|bench)/src/', pathNot: '^$1/src/' },
    },
    {
      name: 'no-circular',
      comment: 'A circle has no top to start reading from.',
      severity: 'error',
      from: { path: '/src/' },
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    combinedDependencies: true,
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/|/vectors/|/captures/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};
