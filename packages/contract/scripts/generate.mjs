// Writes what is generated from the contract and checked in: openapi.json and docs/problems/<code>.md.
// Run after `tsc -b`: npm run generate -w @sworn/contract
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { openApiText, PROBLEM_CODES, problemMarkdown } from '../dist/index.js';

const here = new URL('..', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', here), 'utf8'));
writeFileSync(new URL('openapi.json', here), openApiText(version));

const pages = new URL('../../docs/problems/', here);
mkdirSync(pages, { recursive: true });
for (const code of PROBLEM_CODES) writeFileSync(new URL(`${code}.md`, pages), problemMarkdown(code));
