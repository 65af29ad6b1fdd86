import { createHash } from 'node:crypto';
import { hex } from '@sworn/evidence';
import { describe, expect, it } from 'vitest';
import { partsOf } from '../src/record/callParts.js';
import type { LeafDraft } from '../src/record/draft.js';

const sha = (text: string) => createHash('sha256').update(text).digest();

/** Of a draft, what parts are made by. */
function draft(key: string, of: { bytes?: string; names?: readonly string[]; source?: string } = {}): LeafDraft {
  const { bytes = key, names = [], source } = of;
  return {
    eventKey: sha(key),
    digest: sha(bytes),
    places: [...names, ...(source === undefined ? [] : [source])].map((name) => ({
      offset: 0,
      eventKey: hex(sha(name)),
    })),
    ...(source !== undefined && { source: hex(sha(source)) }),
  } as unknown as LeafDraft;
}

const ordinals = (drafts: readonly LeafDraft[], size: number) => partsOf(drafts, size).map((part) => part.ordinals);

describe('a call that is more than one transaction stores', () => {
  it('is one part when it fits', () => {
    expect(ordinals([draft('a'), draft('b')], 2)).toEqual([[0, 1]]);
  });

  it('is taken apart in its order', () => {
    expect(
      ordinals(
        ['a', 'b', 'c', 'd', 'e'].map((key) => draft(key)),
        2,
      ),
    ).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('has what a draft names in its part, in each where several name it', () => {
    const steps = ['a', 'b', 'c'].map((key) => draft(key, { names: ['service'] }));
    expect(ordinals([draft('service'), ...steps], 2)).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
  });

  it('has what was read from a step in the part of that step', () => {
    const read = ['b', 'a', 'b'].map((source, at) => draft(`read${at}`, { source, bytes: source }));
    expect(ordinals([draft('a'), draft('b'), ...read], 3)).toEqual([
      [0, 3],
      [1, 2, 4],
    ]);
  });

  it('keeps what was read from a contradicting copy with that copy', () => {
    const copies = [draft('a', { bytes: 'first' }), draft('x'), draft('a', { bytes: 'second' })];
    const read = ['first', 'second'].map((bytes) => draft(`read ${bytes}`, { source: 'a', bytes }));
    expect(ordinals([...copies, ...read], 3)).toEqual([
      [0, 1, 3],
      [2, 4],
    ]);
  });

  it('stays a handful of parts when all copies of a step are the same', () => {
    const copies = Array.from({ length: 1_000 }, () => draft('a'));
    const read = copies.map(() => draft('read', { source: 'a', bytes: 'a' }));
    const parts = partsOf([...copies, ...read], 100);
    expect(parts.length).toBeLessThan(20);
    expect(new Set(parts.flatMap((part) => part.ordinals)).size).toBe(2_000);
  });
});
