import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleTraces } from '../src/otlp/assemble.js';
import { MAX_NESTING } from '../src/otlp/check.js';
import { decodeTracesJson, tracesFromJson } from '../src/otlp/json.js';
import { JsonCursor } from '../src/otlp/jsonCursor.js';
import { sourceToJson, spanToJson, tracesToJson } from '../src/otlp/jsonOut.js';
import { UndecodableRequest } from '../src/otlp/rejections.js';
import { readSpan } from '../src/otlp/span.js';
import { TRACE_CAPTURES } from './otlpCaptures.js';
import { anyRequest, oracleEncode, oracleTraces } from './otlpOracle.js';

const ID = '"traceId":"A1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","spanId":"b2b2B2b2b2b2b2b2"';
const body = (...spans: string[]) => Buffer.from(`{"resourceSpans":[{"scopeSpans":[{"spans":[${spans.join(',')}]}]}]}`);
const spanWith = (members: string) => `{${ID},${members}}`;
const attribute = (value: string) => spanWith(`"attributes":[{"key":"k","value":${value}}]`);
const only = (members: string) => {
  const { spans, message } = decodeTracesJson(body(spanWith(members)));
  expect(message).toBeNull();
  return spans[0]?.bytes ?? new Uint8Array();
};
const valueOf = (value: string) => readSpan(only(`"attributes":[{"key":"k","value":${value}}]`)).attributes.get('k');

/** Without what proto3 JSON does not keep: empty lists and nulls. 64-bit integers as strings, ids in lower case. */
function canonical(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => canonical(item));
  if (/(UnixNano|^intValue)$/.test(name)) return String(value);
  if (/^(traceId|spanId|parentSpanId)$/.test(name)) return String(value).toLowerCase();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && !(Array.isArray(member) && member.length === 0))
      .map(([key, member]) => [key, canonical(member, key)]),
  );
}

describe('OTLP/JSON', () => {
  test.each(TRACE_CAPTURES.filter(({ encoding }) => encoding === 'json'))(
    'of $client comes back canonically equal, through the bytes that are stored',
    ({ body: sent }) => {
      const decoded = decodeTracesJson(sent);
      expect(decoded.message).toBeNull();
      const again = tracesToJson(assembleTraces(decoded.spans));
      expect(again).toEqual(canonical(JSON.parse(Buffer.from(sent).toString())));
    },
  );

  test('means the same as the protobuf of the OpenTelemetry project, field for field and byte for byte', () => {
    fc.assert(
      fc.property(anyRequest, (sent) => {
        const { bytes, rejections } = tracesFromJson(Buffer.from(JSON.stringify(sent)));
        expect(rejections.message).toBeNull();
        expect(oracleTraces(bytes)).toEqual(oracleTraces(oracleEncode(sent)));
        expect(tracesToJson(bytes)).toEqual(sent);
        expect(
          Buffer.from(assembleTraces(decodeTracesJson(Buffer.from(JSON.stringify(sent))).spans)).equals(bytes),
        ).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test('is stored with its fields in order, whatever order its members came in', () => {
    const one = tracesFromJson(body(`{${ID},"name":"n","kind":2,"attributes":[{"value":{"intValue":"1"},"key":"k"}]}`));
    const other = tracesFromJson(body(`{"attributes":[{"key":"k","value":{"intValue":1}}],"kind":2,"name":"n",${ID}}`));
    expect(Buffer.from(one.bytes).equals(other.bytes)).toBe(true);
  });

  test('takes ids in any case, and an empty parent for none', () => {
    expect(readSpan(only('"parentSpanId":""'))).toMatchObject({
      traceId: 'a1'.repeat(16),
      spanId: 'b2'.repeat(8),
      parentSpanId: null,
    });
    expect(readSpan(only('"parentSpanId":"ABCDEF0123456789"')).parentSpanId).toBe('abcdef0123456789');
  });

  test.each([
    ['"9223372036854775807"', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9007199254740993', 9007199254740993n],
    ['1.0', 1n],
    ['12e2', 1200n],
    ['"1200e-2"', 12n],
    ['-0', 0n],
  ])('reads the integer %s exactly', (written, value) => {
    expect(valueOf(`{"intValue":${written}}`)).toBe(value);
  });

  test.each(['1.5', '"0x10"', '""', '" 1"', '9223372036854775808', '1e99', '1e999999999', '"1_000"', 'true', '{}'])(
    'refuses %s for an integer, and only that span',
    (written) => {
      const decoded = decodeTracesJson(body(attribute(`{"intValue":${written}}`), spanWith('"name":"good"')));
      expect(decoded).toMatchObject({ rejected: 1, spans: { length: 1 } });
    },
  );

  test('keeps nanoseconds that no double holds, as string or number', () => {
    expect(
      readSpan(only('"startTimeUnixNano":"1795443109123456789","endTimeUnixNano":1795443109123456791')),
    ).toMatchObject({
      startNs: 1795443109123456789n,
      endNs: 1795443109123456791n,
    });
  });

  test.each([
    ['"NaN"', Number.NaN],
    ['"Infinity"', Number.POSITIVE_INFINITY],
    ['"-Infinity"', Number.NEGATIVE_INFINITY],
    ['"0.25"', 0.25],
    ['-0.0', -0],
    ['5e-324', 5e-324],
  ])('reads the double %s', (written, value) => {
    expect(valueOf(`{"doubleValue":${written}}`)).toBe(value);
  });

  test('refuses a double that overflows, in its span', () => {
    expect(decodeTracesJson(body(attribute('{"doubleValue":1e999}')))).toMatchObject({
      rejected: 1,
      message: expect.stringMatching(/double/),
    });
  });

  test('reads base64 with either alphabet, padded or not', () => {
    for (const written of ['"+/8="', '"+/8"', '"-_8"'])
      expect(valueOf(`{"bytesValue":${written}}`)).toEqual(new Uint8Array([0xfb, 0xff]));
    expect(decodeTracesJson(body(attribute('{"bytesValue":"a"}')))).toMatchObject({ rejected: 1 });
  });

  test('takes enums as integers alone, also ones it does not know', () => {
    expect(readSpan(only('"kind":77')).kind).toBe(77);
    expect(decodeTracesJson(body(spanWith('"kind":"SPAN_KIND_SERVER"')))).toMatchObject({ rejected: 1 });
  });

  test('passes over unknown names and snake_case, and takes null for absent', () => {
    const bytes = only(
      '"later":{"a":[1,{"b":null}],"c":"\\ud800"},"trace_state":"x","kind":null,"status":{"code":2,"deprecatedCode":9}',
    );
    expect(spanToJson(bytes)).toEqual({ traceId: 'a1'.repeat(16), spanId: 'b2'.repeat(8), status: { code: 2 } });
  });

  test('decodes every escape', () => {
    expect(readSpan(only('"name":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00 é😀"')).name).toBe(
      '"\\/\b\f\n\r\té😀 é😀',
    );
  });

  test('reads every string as JSON.parse does, and refuses what has no UTF-8', () => {
    const piece = fc.constantFrom(
      '\\n',
      '\\"',
      '\\\\',
      '\\/',
      '\\u0041',
      '\\u00E9',
      '\\u20ac',
      '\\ud83d',
      '\\ude00',
      'é',
      '😀',
      'a',
      '\\x',
    );
    const written = fc.array(piece, { maxLength: 6 }).map((pieces) => `"${pieces.join('')}"`);
    const read = (text: string) => {
      try {
        return new JsonCursor(Buffer.from(text)).string();
      } catch {
        return null;
      }
    };
    const meant = (text: string) => {
      try {
        const value = JSON.parse(text) as string;
        return Buffer.from(value).toString('utf8') === value ? value : null;
      } catch {
        return null;
      }
    };
    fc.assert(
      fc.property(written, (text) => {
        expect(read(text)).toBe(meant(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('reads names written with escapes as what they mean', () => {
    expect(readSpan(only('"n\\u0061me":"x"')).name).toBe('x');
  });

  test('shows a source as OTLP/JSON too', () => {
    const sent = Buffer.from(
      `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"schemaUrl":"s","scopeSpans":[{"scope":{"name":"lib"},"spans":[{${ID}}]}]}]}`,
    );
    const [slice] = decodeTracesJson(sent).spans;
    expect(sourceToJson('resource', slice?.resource.bytes ?? new Uint8Array())).toEqual({
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'a' } }] },
      schemaUrl: 's',
    });
    expect(sourceToJson('scope', slice?.scope.bytes ?? new Uint8Array())).toEqual({ scope: { name: 'lib' } });
  });
});

test('a body of OTLP/JSON that was cut off says so, wherever it was', () => {
  const whole = body(spanWith('"name":"one", "kind":1, "unknown":[{"a":"b"}]'));
  for (let end = 0; end < whole.length; end++)
    expect(() => decodeTracesJson(whole.subarray(0, end))).toThrow(/ends in the middle of a value/);
});

describe('one bad span of OTLP/JSON', () => {
  const deep = (levels: number) => '{"arrayValue":{"values":['.repeat(levels) + '{}' + ']}}'.repeat(levels);

  test.each([
    ['whose trace id is not hex', '{"traceId":"zz","spanId":"b2b2b2b2b2b2b2b2"}', /hex/],
    ['whose trace id is base64', '{"traceId":"oaGhoaGhoaGhoaGhoaGhoQ==","spanId":"b2b2b2b2b2b2b2b2"}', /hex/],
    ['without ids', '{}', /trace_id/],
    ['that is no object', '7', /not an object/],
    ['with a text for a list', spanWith('"attributes":"x"'), /not an array/],
    ['with a number for a text', spanWith('"name":7'), /not a string/],
    ['with a lone surrogate', spanWith('"name":"\\ud800"'), /surrogate/],
    ['that names a member twice', spanWith('"name":"a","name":"b"'), /twice/],
    ['that names a member twice, once with escapes', spanWith('"name":"a","n\\u0061me":"b"'), /twice/],
    ['that names an unknown member twice', spanWith('"__proto__":1,"__proto__":2'), /twice/],
    ['with two values in one attribute', attribute('{"stringValue":"a","intValue":1}'), /more than one value/],
    ['with a negative time', spanWith('"startTimeUnixNano":-1'), /uint64/],
    ['nested too deep', attribute(deep(MAX_NESTING)), /nested deeper/],
    [
      'with thousands of members',
      spanWith(Array.from({ length: 2000 }, (_, i) => `"m${i}":0`).join(',')),
      /too many members/,
    ],
    ['with a number of a thousand digits', attribute(`{"intValue":${'1'.repeat(1000)}}`), /too long/],
  ])('%s costs itself alone', (_, bad, reason) => {
    const decoded = decodeTracesJson(body(spanWith('"name":"one"'), bad, spanWith('"name":"two"')));
    expect(decoded.spans.map(({ bytes }) => readSpan(bytes).name)).toEqual(['one', 'two']);
    expect(decoded).toMatchObject({ rejected: 1, message: expect.stringMatching(reason) });
  });

  test('a bad resource costs its own spans, wherever it stands among the members', () => {
    const good = body(spanWith('"name":"one"')).toString().slice('{"resourceSpans":['.length, -2);
    const bad = `{"scopeSpans":[{"spans":[{${ID}},{${ID}}]}],"resource":{"attributes":7}}`;
    expect(decodeTracesJson(Buffer.from(`{"resourceSpans":[${good},${bad},${good}]}`))).toMatchObject({
      rejected: 2,
      spans: { length: 2 },
      message: expect.stringMatching(/^2 spans rejected: resource: /),
    });
  });

  test('names that reach for prototypes change nothing', () => {
    const sent = spanWith(
      '"__proto__":{"name":"x"},"constructor":{"prototype":{"kind":9}},"toString":1,"attributes":[{"key":"__proto__","value":{"kvlistValue":{"values":[{"key":"constructor","value":{"intValue":1}}]}}}]',
    );
    const { spans, rejected } = decodeTracesJson(body(sent));
    expect(rejected).toBe(0);
    const view = readSpan(spans[0]?.bytes ?? new Uint8Array());
    expect(view.attributes.get('__proto__')).toEqual(new Map([['constructor', 1n]]));
    expect(view.attributes.get('toString')).toBeUndefined();
    expect(({} as Record<string, unknown>)['name']).toBeUndefined();
    expect({}.constructor).toBe(Object);
  });
});

describe('an OTLP/JSON envelope', () => {
  test.each([
    '{}',
    ' {"resourceSpans":[]} ',
    '{"resourceSpans":null}',
    '{"resourceSpans":[{},{"scopeSpans":[{"spans":[]}]}],"later":1}',
  ])('%s is a request without spans', (sent) => {
    expect(decodeTracesJson(Buffer.from(sent))).toEqual({ spans: [], rejected: 0, message: null });
  });

  test.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['a byte order mark', '\ufeff{}'],
    ['two values', '{} {}'],
    ['a comment', '{/*a*/}'],
    ['single quotes', "{'a':1}"],
    ['a trailing comma', '{"a":1,}'],
    ['a trailing comma in a list', '{"a":[1,]}'],
    ['a missing comma', '{"a":1 "b":2}'],
    ['an open string', '{"a":"b'],
    ['a control character in a string', '{"a":"\n"}'],
    ['a bad escape', '{"a":"\\x"}'],
    ['a half escape', '{"a":"\\u12"}'],
    ['a leading zero', '{"a":01}'],
    ['a bare dot', '{"a":1.}'],
    ['a plus sign', '{"a":+1}'],
    ['NaN', '{"a":NaN}'],
    ['half a word', '{"a":tru}'],
    ['a cut body', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"a1'],
    ['a bracket of the other kind', '{"a":[1}}'],
    ['broken syntax inside a span', body(spanWith('"name":"a",,')).toString()],
    ['its list twice', '{"resourceSpans":[],"resourceSpans":[]}'],
    ['a text for its list', '{"resourceSpans":"x"}'],
    ['depth without end', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
  ])('with %s is refused whole', (_, sent) => {
    expect(() => decodeTracesJson(Buffer.from(sent))).toThrow(UndecodableRequest);
  });

  test('that is not UTF-8 is refused whole', () => {
    expect(() => decodeTracesJson(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(UndecodableRequest);
  });

  test('is read by exactly the grammar of JSON.parse', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      '0',
      '.5',
      'e3',
      'true',
      'null',
      ' ',
      '\\',
      '"',
      '\\u0041',
    );
    const parses = (sent: string) => {
      try {
        return typeof JSON.parse(sent) === 'object';
      } catch {
        return false;
      }
    };
    const jsonish = fc.oneof(
      fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join('')),
      fc.json(),
    );
    fc.assert(
      fc.property(jsonish, (value) => {
        const sent = `{"later":${value}}`;
        const accepted = (() => {
          try {
            decodeTracesJson(Buffer.from(sent));
            return true;
          } catch (error) {
            // Twice the same name at the top: JSON.parse lets it pass, or finds what is wrong behind it.
            return error instanceof UndecodableRequest && /twice/.test(error.message) ? parses(sent) : false;
          }
        })();
        expect(accepted).toBe(parses(sent));
      }),
      { numRuns: 1000 },
    );
  });
});
