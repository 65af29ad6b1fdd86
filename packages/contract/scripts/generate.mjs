// Writes what is generated from the contract and checked in: openapi.json, docs/problems/<code>.md and the page of docs/contracts.
// Run after `tsc -b`: npm run generate -w @sworn/contract. `--check` names what is not up to date instead.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  contractMarkdown,
  ENDPOINTS,
  examplePath,
  openApiText,
  PROBLEM_CODES,
  problemMarkdown,
  RECORD_EXAMPLES,
} from '../dist/index.js';

const here = new URL('..', import.meta.url);
const docs = new URL('../../docs/', here);
const { version } = JSON.parse(readFileSync(new URL('package.json', here), 'utf8'));

const generated = [
  [new URL('openapi.json', here), () => openApiText(version)],
  ...PROBLEM_CODES.map((code) => [new URL(`problems/${code}.md`, docs), () => problemMarkdown(code)]),
  [new URL('contracts/LOGS_DOMAIN_V2_CONTRACT.md', docs), () => contractMarkdown(version, examples())],
];

const wanting = ENDPOINTS.filter(({ id }) => !existsSync(new URL(examplePath(id), here)));
for (const { id } of wanting) process.stderr.write(`${id} has no example: ${RECORD_EXAMPLES}\n`);
const ready = wanting.length === 0 ? generated : generated.slice(0, -1);

if (process.argv.includes('--check')) {
  const stale = ready.filter(([file, text]) => !existsSync(file) || readFileSync(file, 'utf8') !== text());
  for (const [file] of stale) process.stderr.write(`not up to date: ${file.pathname}\n`);
  process.exitCode = stale.length + wanting.length === 0 ? 0 : 1;
} else {
  for (const folder of ['problems/', 'contracts/']) mkdirSync(new URL(folder, docs), { recursive: true });
  for (const [file, text] of ready) writeFileSync(file, text());
  process.exitCode = wanting.length === 0 ? 0 : 1;
}

function examples() {
  return new Map(ENDPOINTS.map(({ id }) => [id, JSON.parse(readFileSync(new URL(examplePath(id), here), 'utf8'))]));
}
