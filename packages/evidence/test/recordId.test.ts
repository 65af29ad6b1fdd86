import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRecordId, recordId } from '../src/recordId.js';
import { TOPICS } from '../src/topic.js';

const place = fc.record({
  topic: fc.constantFrom(...TOPICS),
  generation: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  index: fc.maxSafeNat(),
});

describe('a record id', () => {
  it('is a UUIDv8 that says where the record stands', () => {
    expect(recordId({ topic: 'llm-runs', generation: 1, index: 42 })).toBe('00000001-0100-8000-8000-00000000002a');
    expect(recordId({ topic: 'control', generation: 2, index: Number.MAX_SAFE_INTEGER })).toBe(
      '00000002-0500-8000-801f-ffffffffffff',
    );
    fc.assert(
      fc.property(place, (p) => {
        expect(recordId(p)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(parseRecordId(recordId(p))).toEqual(p);
      }),
    );
  });

  it('sorts within a log as the leaves do', () => {
    fc.assert(
      fc.property(place, fc.maxSafeNat(), (p, index) => {
        const [a, b] = [recordId(p), recordId({ ...p, index })];
        expect(a < b).toBe(p.index < index);
      }),
    );
  });

  it('is nothing else', () => {
    const bad = [
      '',
      '00000001-0100-8000-8000-00000000002A',
      '00000001010080008000-00000000002a',
      '00000000-0100-8000-8000-00000000002a',
      '00000001-0000-8000-8000-00000000002a',
    ];
    bad.push(
      '00000001-0600-8000-8000-00000000002a',
      '00000001-0101-8000-8000-00000000002a',
      '00000001-1100-8000-8000-00000000002a',
      '00000001-0100-4000-8000-00000000002a',
    );
    bad.push(
      '00000001-0100-8001-8000-00000000002a',
      '00000001-0100-8000-8100-00000000002a',
      '00000001-0100-8000-9000-00000000002a',
      '00000001-0100-8000-8020-000000000000',
    );
    bad.push(
      '{00000001-0100-8000-8000-00000000002a}',
      '00000001-0100-8000-8000-00000000002a\n',
      ' 00000001-0100-8000-8000-00000000002a',
      '00000001-0100-8000-8000-00000000002',
      'x',
    );
    for (const id of bad) expect(parseRecordId(id), id).toBeNull();
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const parsed = parseRecordId(id);
        expect(parsed === null || recordId(parsed) === id).toBe(true);
      }),
    );
  });

  it('of a place that cannot be is a bug of the caller', () => {
    for (const change of [
      { generation: 0 },
      { generation: 2 ** 32 },
      { generation: 1.5 },
      { index: -1 },
      { index: 2 ** 53 },
      { index: 0.5 },
    ]) {
      expect(() => recordId({ topic: 'audit', generation: 1, index: 0, ...change })).toThrow(RangeError);
    }
  });
});
