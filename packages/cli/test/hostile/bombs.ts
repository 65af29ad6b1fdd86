import { gzipSync } from 'node:zlib';
import { newId, type Signal } from './stage.js';

/** What costs little to send, and would cost much to whoever reads it without a bound. */
export interface Bomb {
  readonly body: (signal: Signal) => Buffer;
  readonly encoding: 'json' | 'protobuf';
  /** Sent as what gzip made. */
  readonly isGzip?: true;
  /** Statuses of HTTP that it may be answered by. */
  readonly statuses: readonly number[];
}

/** The members of a request of each signal, from the outside in. */
const MEMBERS: Readonly<Record<Signal, readonly [string, string, string]>> = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
};

const zeros = (mebibytes: number): Buffer => Buffer.alloc(mebibytes << 20);
/** Seconds to make, and the same each time. */
const onceMade = (make: () => Buffer): (() => Buffer) => {
  let made: Buffer | null = null;
  return () => (made ??= make());
};

/** A field of protobuf with what it holds: tag and length around it. */
export function around(tag: number, bytes: Uint8Array): Buffer {
  const length: number[] = [];
  for (let n = bytes.length; ; n >>>= 7) {
    length.push(n > 127 ? (n & 127) | 128 : n);
    if (n <= 127) break;
  }
  return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
}

/** One span, log record or point with an attribute `x`, as OTLP/JSON. */
export function itemRequest(signal: Signal, value: unknown): object {
  const [resources, scopes, items] = MEMBERS[signal];
  const attributes = [{ key: 'x', value }];
  const now = String(BigInt(Date.now()) * 1_000_000n);
  const item = {
    traces: {
      traceId: newId(16),
      spanId: newId(8),
      name: 'chat',
      startTimeUnixNano: now,
      endTimeUnixNano: now,
      attributes,
    },
    logs: { timeUnixNano: now, body: { stringValue: 'a line' }, attributes },
    metrics: { name: 'm', gauge: { dataPoints: [{ timeUnixNano: now, asDouble: 1, attributes }] } },
  }[signal];
  return { [resources]: [{ [scopes]: [{ [items]: [item] }] }] };
}

/** The same as protobuf; `value` is an AnyValue's bytes. */
export function itemBytes(signal: Signal, value: Uint8Array): Buffer {
  const attribute = (tag: number): Buffer =>
    around(tag, Buffer.concat([around(0x0a, Buffer.from('x')), around(0x12, value)]));
  const item = {
    traces: () =>
      Buffer.concat([
        around(0x0a, Buffer.from(newId(16), 'hex')),
        around(0x12, Buffer.from(newId(8), 'hex')),
        attribute(0x4a),
      ]),
    logs: () => attribute(0x32),
    metrics: () => Buffer.concat([around(0x0a, Buffer.from('m')), around(0x2a, around(0x0a, attribute(0x3a)))]),
  }[signal]();
  return around(0x0a, around(0x12, around(0x12, item)));
}

/** An AnyValue of lists in lists: each level is a length and a tag around the one before. */
function nestedValue(depth: number): Buffer {
  let inner: Buffer = Buffer.from([0x0a, 0x01, 0x61]);
  for (let n = 0; n < depth; n++) inner = around(0x2a, around(0x0a, inner));
  return inner;
}

const json = (text: string): Buffer => Buffer.from(text);
const itemText = (signal: Signal, value: unknown): string => JSON.stringify(itemRequest(signal, value));
const gibibyte = onceMade(() => gzipSync(zeros(1_024)));
const quarter = onceMade(() => gzipSync(zeros(256)));
const twice = onceMade(() => gzipSync(quarter()));
const deep = onceMade(() => nestedValue(10_000));

/** By name. */
export const BOMBS: Readonly<Record<string, Bomb>> = {
  'of gzip: a gibibyte in a mebibyte': { body: gibibyte, encoding: 'json', isGzip: true, statuses: [413] },
  'of gzip in protobuf': { body: quarter, encoding: 'protobuf', isGzip: true, statuses: [413] },
  'of gzip in gzip': { body: twice, encoding: 'protobuf', isGzip: true, statuses: [400] },
  'that is not gzip though it says so': { body: () => json('{}'), encoding: 'json', isGzip: true, statuses: [400] },
  'that ends in the middle of its gzip': {
    body: (signal) => gzipSync(`{"${MEMBERS[signal][0]}":[]}`).subarray(0, 20),
    encoding: 'protobuf',
    isGzip: true,
    statuses: [400],
  },
  'of JSON, a hundred thousand lists deep': {
    body: () => json(`${'['.repeat(100_000)}${']'.repeat(100_000)}`),
    encoding: 'json',
    statuses: [400],
  },
  'of JSON, lists deep inside of an attribute': {
    body: (signal) =>
      json(
        itemText(signal, 'here').replace(
          '"here"',
          `${'{"arrayValue":{"values":['.repeat(5_000)}${']}}'.repeat(5_000)}`,
        ),
      ),
    encoding: 'json',
    statuses: [200, 400],
  },
  'of JSON numbers without end': {
    body: (signal) =>
      json(itemText(signal, { doubleValue: 0 }).replace('"doubleValue":0', `"doubleValue":${'9'.repeat(1_000_000)}`)),
    encoding: 'json',
    statuses: [200, 400],
  },
  'of one key of JSON a hundred thousand times': {
    body: (signal) => json(`{${`"${MEMBERS[signal][0]}":[],`.repeat(100_000)}"${MEMBERS[signal][0]}":[]}`),
    encoding: 'json',
    statuses: [200, 400, 413],
  },
  'that is a key of prototypes': {
    body: (signal) =>
      json(`{"__proto__":{"${MEMBERS[signal][0]}":1},"constructor":{"prototype":{"x":1}},"${MEMBERS[signal][0]}":[]}`),
    encoding: 'json',
    statuses: [200, 400],
  },
  'of text that is no UTF-8': {
    body: () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    encoding: 'json',
    statuses: [200, 400],
  },
  'of a million empty resources': {
    body: (signal) => json(`{"${MEMBERS[signal][0]}":[${'{},'.repeat(1_000_000)}{}]}`),
    encoding: 'json',
    statuses: [413],
  },
  'of two million empty items, as protobuf': {
    body: () => around(0x0a, around(0x12, Buffer.alloc(4_000_000, Buffer.from([0x12, 0x00])))),
    encoding: 'protobuf',
    statuses: [200, 413],
  },
  'of protobuf, ten thousand lists deep': {
    body: (signal) => itemBytes(signal, deep()),
    encoding: 'protobuf',
    statuses: [200, 400],
  },
  'of protobuf whose lengths lie': {
    body: () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3]),
    encoding: 'protobuf',
    statuses: [400],
  },
  'of protobuf groups that never end': {
    body: () => Buffer.alloc(100_000, 0x0b),
    encoding: 'protobuf',
    statuses: [400],
  },
};

/** Texts on which a pattern that goes back would take for ever. */
export const SLOW_TEXTS: readonly string[] = [
  `${'a'.repeat(500_000)}!`,
  '@'.repeat(200_000),
  'a@'.repeat(200_000),
  'eyJ'.repeat(150_000),
  'password='.repeat(50_000),
  'sk-'.repeat(150_000),
  '\\u0041'.repeat(80_000),
  '-----BEGIN PRIVATE KEY-----'.repeat(20_000),
  '4111 '.repeat(100_000),
  ' '.repeat(500_000),
  '"{\\"'.repeat(100_000),
];
