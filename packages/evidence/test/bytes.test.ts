import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64, concat, equalBytes, fromUtf8, hex, unbase64, unhex, utf8 } from '../src/bytes.js';
import { refusalOf } from './refusal.js';

const bytes = fc.uint8Array({ maxLength: 200 });

describe('bytes written as text', () => {
  it('are what Node writes, and come back', () => {
    fc.assert(
      fc.property(bytes, (b) => {
        expect(hex(b)).toBe(Buffer.from(b).toString('hex'));
        expect(base64(b)).toBe(Buffer.from(b).toString('base64'));
        expect(unhex(hex(b))).toEqual(b);
        expect(unbase64(base64(b))).toEqual(b);
      }),
    );
  });

  it('have one spelling only', () => {
    for (const text of ['0', 'AB', 'zz', '0x', ' 00', '00 ', '0０', '00\n'])
      expect(
        refusalOf(() => unhex(text)),
        text,
      ).toBe('hex');
    for (const text of [
      'A',
      'AA',
      'AAA',
      'AA=',
      'A===',
      '====',
      'AAAA=',
      'AB==',
      'AAB=',
      'AA=A',
      'A-_A',
      'AAA\n',
      ' AAA',
      'AAAA\n',
      'AA==AAAA',
      'ÀAAA',
    ]) {
      expect(
        refusalOf(() => unbase64(text)),
        text,
      ).toBe('base64');
    }
  });

  it('are decoded as base64 only from what encodes to the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('ABab01+/=-_ \n')), maxLength: 12 }), (text) => {
        const decoded = Buffer.from(text, 'base64');
        const canonical = decoded.toString('base64') === text;
        expect(refusalOf(() => unbase64(text))).toBe(canonical ? 'accepted' : 'base64');
        expect(canonical ? unbase64(text) : null).toEqual(canonical ? new Uint8Array(decoded) : null);
      }),
    );
  });

  it('are refused when they are not UTF-8, and keep a byte order mark', () => {
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      expect(refusalOf(() => fromUtf8(Uint8Array.from(bad)))).toBe('not_utf8');
    }
    expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
    expect(fromUtf8(utf8('a\u0000ß€𝄞'))).toBe('a\u0000ß€𝄞');
  });

  it('compare by value', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(equalBytes(a, a.slice())).toBe(true);
        expect(concat(a, b)).toEqual(new Uint8Array(Buffer.concat([a, b])));
      }),
    );
  });
});
