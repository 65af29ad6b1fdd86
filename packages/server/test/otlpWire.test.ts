import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleTraces } from '../src/otlp/assemble.js';
import { MAX_NESTING } from '../src/otlp/check.js';
import { spanToJson, tracesToJson } from '../src/otlp/jsonOut.js';
import { TooManyParts, UndecodableRequest } from '../src/otlp/rejections.js';
import { readResource, readScope, readSpan } from '../src/otlp/span.js';
import { MAX_PARTS_PER_REQUEST } from '../src/otlp/envelope.js';
import { decodeTraces } from '../src/otlp/wire.js';
import { any, keyValue, message, text, varint } from './otlpBytes.js';
import { TRACE_CAPTURES } from './otlpCaptures.js';
import { anyRequest, oracleEncode, oracleSpan, oracleTraces } from './otlpOracle.js';

const PROTOBUF_CAPTURES = TRACE_CAPTURES.filter(({ encoding }) => encoding === 'protobuf');
const TRACE_ID = Buffer.alloc(16, 0xa1);
const SPAN_ID = Buffer.alloc(8, 0xb2);
const IDENTITY = [
  [1, TRACE_ID],
  [2, SPAN_ID],
] as const;

type Part = readonly [number, Uint8Array, (0 | 1 | 2 | 3 | 5)?];
const span = (...fields: Part[]) => message([...IDENTITY, ...fields]);
const request = (spans: readonly Uint8Array[], resource: readonly Part[] = [], scope: readonly Part[] = []) =>
  message([[1, message([...resource, [2, message([...scope, ...spans.map((s) => [2, s] as const)])]])]]);
const nested = (levels: number): Uint8Array => {
  let value: Uint8Array = any('deep');
  for (let level = 0; level < levels; level++) value = any([value]);
  return value;
};

describe('the wire reader', () => {
  test.each(PROTOBUF_CAPTURES)(
    'reads what $client sent as the generated code of the OpenTelemetry project does',
    ({ body }) => {
      expect(tracesToJson(body)).toEqual(oracleTraces(body));
      const { spans, rejected, message: reason } = decodeTraces(body);
      expect({ rejected, reason }).toEqual({ rejected: 0, reason: null });
      for (const { bytes } of spans) expect(spanToJson(bytes)).toEqual(oracleSpan(bytes));
    },
  );

  test.each(PROTOBUF_CAPTURES)('gives back the bytes $client sent', ({ body }) => {
    expect(Buffer.from(assembleTraces(decodeTraces(body).spans)).equals(body)).toBe(true);
  });

  test('agrees with the generated code on any request, and gives back its bytes', () => {
    fc.assert(
      fc.property(anyRequest, (sent) => {
        const bytes = oracleEncode(sent);
        const decoded = decodeTraces(bytes);
        expect(decoded.rejected).toBe(0);
        expect(tracesToJson(bytes)).toEqual(oracleTraces(bytes));
        expect(Buffer.from(assembleTraces(decoded.spans)).equals(bytes)).toBe(true);
        for (const { bytes: own, traceId, spanId } of decoded.spans) {
          const view = readSpan(own);
          expect([view.traceId, view.spanId]).toEqual([
            Buffer.from(traceId).toString('hex'),
            Buffer.from(spanId).toString('hex'),
          ]);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('hands a span over as a view into the body, without a copy', () => {
    const body = request([span([5, text('work')])]);
    const [slice] = decodeTraces(body).spans;
    expect(slice?.bytes.buffer).toBe(body.buffer);
    expect(Buffer.from(slice?.bytes ?? []).equals(span([5, text('work')]))).toBe(true);
  });

  test('keeps unknown fields of any wire type in the slices of span, resource and scope', () => {
    const unknown: Part[] = [
      [900, text('later')],
      [901, varint(7), 0],
      [902, Buffer.alloc(8), 1],
      [903, Buffer.alloc(4), 5],
      [904, Buffer.concat([message([[1, varint(1), 0]]), varint(904 * 8 + 4)]), 3],
    ];
    const body = request([span(...unknown)], [[1, message([])], [3, text('s')], ...unknown], unknown);
    const { spans, rejected } = decodeTraces(body);
    expect(rejected).toBe(0);
    expect(Buffer.from(spans[0]?.bytes ?? []).equals(span(...unknown))).toBe(true);
    expect(
      Buffer.from(spans[0]?.resource.bytes ?? []).equals(message([[1, message([])], [3, text('s')], ...unknown])),
    ).toBe(true);
    expect(Buffer.from(spans[0]?.scope.bytes ?? []).equals(message(unknown))).toBe(true);
    expect(readSpan(spans[0]?.bytes ?? new Uint8Array()).traceId).toBe('a1'.repeat(16));
  });

  test('takes a field of the wrong wire type for an unknown one', () => {
    const { spans, rejected } = decodeTraces(request([span([5, varint(3), 0], [7, text('x')])]));
    expect(rejected).toBe(0);
    expect(readSpan(spans[0]?.bytes ?? new Uint8Array())).toMatchObject({ name: '', startNs: 0n });
  });

  test('shares resource and scope among the spans of a group by identity, also when a group is told in pieces', () => {
    const resource: Part[] = [[1, message([[1, keyValue('service.name', any('a'))]])]];
    const [first, second] = decodeTraces(request([span(), span([5, text('b')])], resource)).spans;
    expect(first?.resource).toBe(second?.resource);
    expect(first?.scope).toBe(second?.scope);
    expect(readResource(first?.resource.bytes ?? new Uint8Array()).attributes.text('service.name')).toBe('a');
  });

  test('reads 64-bit numbers exactly', () => {
    const late = 18446744073709551615n;
    const fixed = Buffer.alloc(8);
    fixed.writeBigUInt64LE(late);
    const [slice] = decodeTraces(request([span([7, fixed, 1], [9, keyValue('n', any(-7))])])).spans;
    const view = readSpan(slice?.bytes ?? new Uint8Array());
    expect(view.startNs).toBe(late);
    expect(view.attributes.get('n')).toBe(-7n);
  });

  test('keeps an end that lies before the start', () => {
    const at = (ns: bigint) => {
      const fixed = Buffer.alloc(8);
      fixed.writeBigUInt64LE(ns);
      return fixed;
    };
    const [slice] = decodeTraces(request([span([7, at(9n), 1], [8, at(3n), 1])])).spans;
    expect(readSpan(slice?.bytes ?? new Uint8Array())).toMatchObject({ startNs: 9n, endNs: 3n });
  });

  test('lets the last of a repeated singular field count and merges repeated messages, as protobuf does', () => {
    const other = Buffer.alloc(8, 0xcc);
    const bytes = span(
      [2, other],
      [5, text('old')],
      [5, text('new')],
      [15, message([[2, text('why')]])],
      [15, message([[3, varint(2), 0]])],
    );
    const [slice] = decodeTraces(request([bytes])).spans;
    expect(Buffer.from(slice?.spanId ?? []).equals(other)).toBe(true);
    expect(Buffer.from(slice?.bytes ?? []).equals(bytes)).toBe(true);
    expect(readSpan(bytes)).toMatchObject({ name: 'new', status: { code: 2, message: 'why' } });
    // protobufjs keeps only the second part, against the protobuf specification: no oracle here.
    expect(spanToJson(bytes)).toMatchObject({ name: 'new', status: { code: 2, message: 'why' } });
  });
});

describe('one bad span', () => {
  const bad: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['has no trace id', message([[2, SPAN_ID]]), /trace_id/],
    [
      'has a trace id of zeros',
      message([
        [1, Buffer.alloc(16)],
        [2, SPAN_ID],
      ]),
      /trace_id/,
    ],
    [
      'has a short trace id',
      message([
        [1, Buffer.alloc(15, 1)],
        [2, SPAN_ID],
      ]),
      /trace_id/,
    ],
    ['has no span id', message([[1, TRACE_ID]]), /span_id/],
    [
      'has a span id of zeros',
      message([
        [1, TRACE_ID],
        [2, Buffer.alloc(8)],
      ]),
      /span_id/,
    ],
    ['has a parent of seven bytes', span([4, Buffer.alloc(7, 1)]), /parent_span_id/],
    ['holds a name that is not UTF-8', span([5, Buffer.from([0xff, 0xfe])]), /UTF-8/],
    ['holds an encoded surrogate', span([5, Buffer.from([0xed, 0xa0, 0x80])]), /UTF-8/],
    [
      'holds a long text that is not UTF-8',
      span([9, keyValue('k', message([[1, Buffer.concat([Buffer.alloc(99, 97), Buffer.from([0xc3])])]]))]),
      /UTF-8/,
    ],
    ['holds an attribute key that is not UTF-8', span([9, keyValue(Buffer.from([0x80]), any('v'))]), /UTF-8/],
    ['is cut off inside a field', Buffer.concat([span(), Buffer.from([0x2a, 0x09, 0x61])]), /past the end/],
    ['has a field number 0', Buffer.concat([span(), Buffer.from([0x02, 0x00])]), /tag/],
    ['has a wire type 7', Buffer.concat([span(), Buffer.from([0x0f])]), /tag/],
    [
      'has a varint without an end',
      Buffer.concat([span(), Buffer.from([0x30, ...Array<number>(11).fill(0x80)])]),
      /varint|bytes end|past the end/,
    ],
    ['ends a group that never began', Buffer.concat([span(), Buffer.from([0x34])]), /group/],
    ['is nested too deep', span([9, keyValue('k', nested(MAX_NESTING))]), /nested deeper/],
  ];

  test.each(bad)('that %s costs itself alone', (_, bytes, reason) => {
    const {
      spans,
      rejected,
      message: said,
    } = decodeTraces(request([span([5, text('one')]), bytes, span([5, text('two')])]));
    expect(spans.map((slice) => readSpan(slice.bytes).name)).toEqual(['one', 'two']);
    expect(rejected).toBe(1);
    expect(said).toMatch(reason);
  });

  test('of each kind in one request: all are counted, the first reasons named', () => {
    const { rejected, message: said } = decodeTraces(request(bad.map(([, bytes]) => bytes)));
    expect(rejected).toBe(bad.length);
    expect(said).toMatch(/^16 spans rejected: trace_id is not 16 bytes or is all zero \(3\); .*other reasons$/);
  });

  test('a value nested as deep as protobuf readers go is kept', () => {
    expect(decodeTraces(request([span([9, keyValue('k', nested(MAX_NESTING / 2 - 2))])])).rejected).toBe(0);
  });

  test('a resource that cannot be read costs its own spans, not those of another', () => {
    const broken: Part[] = [[1, message([[1, keyValue(Buffer.from([0xff]), any('v'))]])]];
    const body = Buffer.concat([request([span(), span()], broken), request([span()])]);
    expect(decodeTraces(body)).toMatchObject({
      rejected: 2,
      spans: { length: 1 },
      message: expect.stringMatching(/resource: .*UTF-8/),
    });
  });

  test('a scope that cannot be read costs its own spans', () => {
    const body = Buffer.concat([request([span()], [], [[1, message([[1, Buffer.from([0xff])]])]]), request([span()])]);
    expect(decodeTraces(body)).toMatchObject({
      rejected: 1,
      spans: { length: 1 },
      message: expect.stringMatching(/scope/),
    });
    expect(
      readScope(
        decodeTraces(request([span()], [], [[1, message([[1, text('lib')]])]])).spans[0]?.scope.bytes ??
          new Uint8Array(),
      ).name,
    ).toBe('lib');
  });
});

/** True if everything of a body can be read, or it is refused as a whole. */
function readAll(bytes: Uint8Array): boolean {
  try {
    for (const slice of decodeTraces(bytes).spans) {
      readSpan(slice.bytes);
      spanToJson(slice.bytes);
      readResource(slice.resource.bytes);
      readScope(slice.scope.bytes);
    }
    return true;
  } catch (error) {
    return error instanceof UndecodableRequest;
  }
}

describe('an envelope', () => {
  test('that is empty, or holds empty groups, is a request without spans', () => {
    expect(decodeTraces(new Uint8Array())).toEqual({ spans: [], rejected: 0, message: null });
    expect(
      decodeTraces(
        message([
          [1, message([])],
          [1, message([[2, message([])]])],
        ]),
      ).spans,
    ).toEqual([]);
  });

  test.each([
    ['text', Buffer.from('hello, this is no protobuf')],
    ['JSON', Buffer.from('{"resourceSpans":[]}')],
    ['a cut body', request([span([5, text('name')])]).subarray(0, -3)],
    ['a group that runs past its own end', message([[1, Buffer.from([0x12, 0x7f])]])],
  ])('that is %s is refused whole', (_, body) => {
    expect(() => decodeTraces(body)).toThrow(UndecodableRequest);
  });

  test('with more groups than the bound is refused before they take memory', () => {
    const body = Buffer.alloc((MAX_PARTS_PER_REQUEST + 1) * 2);
    for (let at = 0; at < body.length; at += 2) body[at] = 0x0a;
    expect(() => decodeTraces(body)).toThrow(TooManyParts);
  });

  test('of random or mutated bytes is decoded or refused, never a crash', () => {
    const [capture] = PROTOBUF_CAPTURES;
    const body = capture?.body ?? new Uint8Array();
    const mutated = fc
      .array(fc.tuple(fc.nat({ max: body.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const copy = Buffer.from(body);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        expect(readAll(bytes)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});
