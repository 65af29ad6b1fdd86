import reference from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../src/bytes.js';
import type { JsonValue } from '../src/json.js';
import { parseStrict } from '../src/jsonReader.js';
import { canonicalize } from '../src/jsonWriter.js';
import { refusalOf } from './refusal.js';

const integer = fc.maxSafeInteger();
const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((s) => !/\p{Noncharacter_Code_Point}/u.test(s));
const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    integer,
    text,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('10', '9', '__proto__', 'constructor', '', 'a', 'A')), tie('value'), {
      maxKeys: 6,
    }),
  ),
}));

/** The npm package `canonicalize`, by the authors of RFC 8785. */
function canonical(v: JsonValue): string {
  return (reference as unknown as (v: JsonValue) => string)(v);
}

describe('canonical JSON', () => {
  it('is what the reference implementation of RFC 8785 writes', () => {
    fc.assert(
      fc.property(value, (v) => {
        expect(fromUtf8(canonicalize(v))).toBe(canonical(v));
      }),
      { numRuns: 2000 },
    );
  });

  it('comes back as the same value, and writes the same again', () => {
    fc.assert(
      fc.property(value, (v) => {
        const bytes = canonicalize(v);
        expect(canonicalize(parseStrict(bytes))).toEqual(bytes);
        expect(JSON.parse(fromUtf8(bytes))).toEqual(JSON.parse(JSON.stringify(parseStrict(bytes))));
      }),
      { numRuns: 1000 },
    );
  });

  it('sorts by UTF-16 code unit, escapes as ECMAScript does, and has no space (RFC 8785 §3.2)', () => {
    const given = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji',
      '\u0080': 'Control',
      '\u00f6': 'o',
    };
    expect(Object.values(JSON.parse(fromUtf8(canonicalize(given))) as object)).toHaveLength(7);
    expect(fromUtf8(canonicalize(given))).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"o","€":"Euro Sign","😀":"Emoji","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
    expect(fromUtf8(canonicalize({ s: '€$\u000f\nA\'B"\\\\"/' }))).toBe('{"s":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
    expect(fromUtf8(canonicalize([-0, 0, 9007199254740991, -9007199254740991]))).toBe(
      '[0,0,9007199254740991,-9007199254740991]',
    );
  });

  it('is refused for what I-JSON cannot say', () => {
    const cases: [unknown, string][] = [
      [1.5, 'number'],
      [2 ** 53, 'number'],
      [-(2 ** 53), 'number'],
      [Number.NaN, 'number'],
      [Number.POSITIVE_INFINITY, 'number'],
      ['\ud800', 'string'],
      ['a\udc00b', 'string'],
      ['\ufffe', 'string'],
      ['\ufdd0', 'string'],
      [{ '\ud800': 1 }, 'string'],
      [undefined, 'not_json'],
      [{ a: undefined }, 'not_json'],
      [1n, 'not_json'],
      [() => 1, 'not_json'],
      [nested(65), 'too_deep'],
    ];
    for (const [given, code] of cases)
      expect(
        refusalOf(() => canonicalize(given as JsonValue)),
        String(given),
      ).toBe(code);
    expect(refusalOf(() => canonicalize(nested(64)))).toBe('accepted');
  });
});

describe('the strict parser', () => {
  it('takes white space and every escape', () => {
    expect(
      parseStrict(utf8(' \t\r\n{ "a" : [ 1 , -2 ,\n0 ] , "b":"\\u0041\\ud834\\udd1e\\"\\\\\\/\\b\\f\\n\\r\\t" }\n')),
    ).toEqual({ a: [1, -2, 0], b: 'A𝄞"\\/\b\f\n\r\t' });
    expect(parseStrict(utf8('true'))).toBe(true);
    expect(parseStrict(utf8('[]'))).toEqual([]);
    expect(parseStrict(utf8('{}'))).toEqual({});
  });

  it('keeps a member named __proto__ a member', () => {
    const parsed = parseStrict(utf8('{"__proto__":{"polluted":true}}')) as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual(['__proto__']);
    expect(parsed.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('names what is wrong', () => {
    const cases: [string | Uint8Array, string][] = [
      ['{"a":1,"a":1}', 'duplicate_member'],
      ['{"a":1,"\\u0061":2}', 'duplicate_member'],
      ['{"__proto__":1,"__proto__":2}', 'duplicate_member'],
      ['[{"x":{"b":1,"c":2,"b":3}}]', 'duplicate_member'],
      ['1.0', 'number'],
      ['1e2', 'number'],
      ['-0', 'number'],
      ['9007199254740992', 'number'],
      ['-9007199254740992', 'number'],
      ['99999999999999999999', 'number'],
      [`1${'0'.repeat(400)}`, 'number'],
      ['"\\ud800"', 'string'],
      ['"\\udc00\\ud800"', 'string'],
      ['"\\uffff"', 'string'],
      ['{"\\ud800":1}', 'string'],
      ['\ufeff{}', 'not_json'],
      [Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 'not_utf8'],
      [Uint8Array.of(0x22, 0xff, 0x22), 'not_utf8'],
      ['['.repeat(65) + ']'.repeat(65), 'too_deep'],
      ['['.repeat(500_000), 'too_deep'],
      ['{"a":'.repeat(100_000), 'too_deep'],
      [new Uint8Array(16 * 1024 * 1024 + 1).fill(0x20), 'too_large'],
    ];
    const syntax = [
      '',
      ' ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '"a',
      '"\\',
      '"\\u12',
      '"\\u12g4"',
      '"\\x"',
      '"\\constructor"',
      '"\n"',
      '"\u0000"',
      '"\t"',
      '[1,]',
      '[,1]',
      '[1 2]',
      '{"a"}',
    ];
    syntax.push(
      '{"a":}',
      '{"a":1,}',
      '{,}',
      '{a:1}',
      "{'a':1}",
      '{"a" 1}',
      '{1:2}',
      'tru',
      'True',
      'nul',
      'undefined',
      'NaN',
      'Infinity',
      '+1',
      '01',
      '-',
      '.5',
      '1 1',
      '{}{}',
      '[]x',
      '//',
      '/**/1',
      '[1}',
      '{"a":1]',
    );
    cases.push(...syntax.map((s): [string, string] => [s, 'not_json']));
    for (const [given, code] of cases) {
      expect(
        refusalOf(() => parseStrict(typeof given === 'string' ? utf8(given) : given)),
        String(given).slice(0, 40),
      ).toBe(code);
    }
  });

  it('accepts nothing that JSON.parse refuses, and reads the same from what both accept', () => {
    const fragment = fc.constantFrom(
      ...Array.from('{}[]:,"\\u0a1e-+.9 \n'),
      'true',
      'null',
      '"a"',
      '\\ud83d',
      '12',
      '"b":',
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 14 }), (parts) => {
        const given = parts.join('');
        if (refusalOf(() => parseStrict(utf8(given))) !== 'accepted') return;
        expect(JSON.parse(given)).toEqual(JSON.parse(JSON.stringify(parseStrict(utf8(given)))));
      }),
      { numRuns: 20_000 },
    );
  });

  it('answers every byte string with a value or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(() => refusalOf(() => parseStrict(bytes))).not.toThrow();
      }),
    );
  });
});

function nested(depth: number): JsonValue {
  return depth === 1 ? [] : [nested(depth - 1)];
}
