import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRangeOf, rangeOf } from '../src/http/range.js';

/** Bytes of a file of `size`, by the words of RFC 9110 14.1.2, with numbers of any length. */
function said(header: string, size: bigint): readonly [bigint, bigint] | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header);
  if (match === null || (match[1] === '' && match[2] === '')) return 'whole';
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '') {
    const length = BigInt(last) < size ? BigInt(last) : size;
    return length === 0n ? 'unsatisfiable' : [size - length, size];
  }
  if (last !== '' && BigInt(last) < BigInt(first)) return 'whole';
  if (BigInt(first) >= size) return 'unsatisfiable';
  return [BigInt(first), last === '' || BigInt(last) >= size ? size : BigInt(last) + 1n];
}

const number = fc.oneof(fc.nat(40).map(String), fc.bigInt({ min: 0n, max: 1n << 80n }).map(String), fc.constant(''));

describe('a range', () => {
  it('is the bytes that the RFC says, whatever the numbers, and never one beyond the file', () => {
    fc.assert(
      fc.property(number, number, fc.oneof(fc.nat(40), fc.nat(2 ** 31)), (first, last, size) => {
        const header = `bytes=${first}-${last}`;
        const [range, expected] = [rangeOf(header, size), said(header, BigInt(size))];
        // Beyond 2^53 two numbers may be taken for one: such a range begins behind any file, and is ignored or refused, both of which the RFC allows.
        if (range.kind === 'part') {
          expect([BigInt(range.from), BigInt(range.to)]).toEqual(expected);
          expect(range.from).toBeLessThan(range.to);
          expect(range.to).toBeLessThanOrEqual(size);
        } else expect(typeof expected).toBe('string');
        if (first.length < 16 && last.length < 16 && range.kind !== 'part') expect(range.kind).toBe(expected);
      }),
    );
  });

  it('is all of the file where it is malformed, of another unit, or several', () => {
    for (const header of [
      undefined,
      '',
      'bytes',
      'bytes=',
      'bytes=-',
      'bytes=a-b',
      'bytes=1-2,4-5',
      'lines=1-2',
      'bytes=3-1',
      'bytes=1--2',
      '1-2',
    ])
      expect(rangeOf(header, 10), header).toEqual({ kind: 'whole' });
  });

  it('counts only while the file is what the client has a part of', () => {
    expect(isRangeOf(undefined, '"a"')).toBe(true);
    expect(isRangeOf('"a"', '"a"')).toBe(true);
    for (const other of ['W/"a"', '"b"', '*', 'Thu, 01 Jan 2099 00:00:00 GMT', '"a", "b"'])
      expect(isRangeOf(other, '"a"')).toBe(false);
  });
});
