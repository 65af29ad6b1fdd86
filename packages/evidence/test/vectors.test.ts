import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromUtf8, unbase64 } from '../src/bytes.js';
import { parseCheckpoint } from '../src/checkpoint.js';
import { parseStrict } from '../src/jsonReader.js';
import { decodeLeaf } from '../src/leaf.js';
import { parseRecordId } from '../src/recordId.js';
import { parseTilePath } from '../src/tile.js';
import { refusalOf } from './refusal.js';
import { vectors } from './vectors.js';

/** `npx vitest run -u packages/evidence/test/vectors.test.ts` writes them anew, after a change of the format that was meant. */
describe('the committed vectors', () => {
  it.each(Object.keys(vectors))('%s.json are what this code says', async (name) => {
    await expect(`${JSON.stringify(vectors[name]?.(), null, 1)}\n`).toMatchFileSnapshot(`../vectors/${name}.json`);
  });

  it('that must be refused are refused', () => {
    const readers: Record<string, (given: string) => string> = {
      canonical: (bytes) => refusalOf(() => parseStrict(unbase64(bytes))),
      leaf: (bytes) => refusalOf(() => decodeLeaf(unbase64(bytes))),
      checkpoint: (note) => refusalOf(() => parseCheckpoint(note)),
      tile: (path) => (parseTilePath(path) === null ? 'null' : 'accepted'),
      'record-id': (id) => (parseRecordId(id) === null ? 'null' : 'accepted'),
    };
    const accepted = Object.entries(readers).flatMap(([name, read]) =>
      refusedIn(name).filter(({ given }) => read(given) === 'accepted'),
    );
    expect(accepted).toEqual([]);
  });

  it('of refused leaves each differ from an accepted one', () => {
    const { accepted } = JSON.parse(readVectors('leaf')) as { accepted: { leaf: string }[] };
    const good = accepted.map(({ leaf }) => fromUtf8(unbase64(leaf)));
    for (const { why, given } of refusedIn('leaf')) expect(good, why).not.toContain(fromUtf8(unbase64(given)));
  });
});

function refusedIn(name: string): { why: string; given: string }[] {
  const { refused } = JSON.parse(readVectors(name)) as {
    refused: (string | { why: string; bytes?: string; leaf?: string; note?: string })[];
  };
  return refused.map((item) =>
    typeof item === 'string'
      ? { why: item, given: item }
      : { why: item.why, given: item.bytes ?? item.leaf ?? item.note ?? '' },
  );
}

function readVectors(name: string): string {
  return readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8');
}
