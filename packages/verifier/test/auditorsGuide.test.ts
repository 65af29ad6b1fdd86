import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ARCHIVE_CODES, BAG_CODES, BUNDLE_CODES } from '../src/index.js';

const GUIDE = readFileSync(new URL('../../../docs/auditors.md', import.meta.url), 'utf8');

it('explains every code that a bundle can be told, once, and none that there is not', () => {
  const [, findings = ''] = GUIDE.split('\n## Findings\n');
  const rows =
    findings
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| `')) ?? [];
  const explained = rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`([A-Z0-9_]+)`/g)].map(([, code]) => code),
  );
  expect(explained.toSorted()).toEqual([...ARCHIVE_CODES, ...BAG_CODES, ...BUNDLE_CODES].toSorted());
});
