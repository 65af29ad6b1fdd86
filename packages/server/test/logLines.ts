import { any, keyValue, message, text, varint, type WireMessage } from './otlpBytes.js';

/** A log record to write: attributes by name; `fields` come behind the others, as they are. */
export interface Line {
  readonly timeNs?: bigint;
  readonly observedNs?: bigint;
  readonly severity?: number;
  readonly severityText?: string;
  readonly body?: string;
  readonly event?: string;
  readonly traceId?: Uint8Array;
  readonly spanId?: Uint8Array;
  readonly attributes?: Readonly<Record<string, string | number>>;
  readonly fields?: WireMessage;
}

/** 2025-11-25T00:53:20.123456789Z */
export const LOGGED_AT = 1_764_032_000_123_456_789n;

/** The LogRecord of a line. */
export function lineBytes({ timeNs = LOGGED_AT, observedNs = 0n, ...line }: Line): Buffer {
  return message([
    [1, ns(timeNs), 1],
    ...(line.severity === undefined ? [] : ([[2, varint(line.severity), 0]] as const)),
    ...(line.severityText === undefined ? [] : ([[3, text(line.severityText)]] as const)),
    ...(line.body === undefined ? [] : ([[5, any(line.body)]] as const)),
    ...Object.entries(line.attributes ?? {}).map(([name, value]) => [6, keyValue(name, any(value))] as const),
    ...(line.traceId === undefined ? [] : ([[9, line.traceId]] as const)),
    ...(line.spanId === undefined ? [] : ([[10, line.spanId]] as const)),
    [11, ns(observedNs), 1],
    ...(line.event === undefined ? [] : ([[12, text(line.event)]] as const)),
    ...(line.fields ?? []),
  ]);
}

/** An export request of one service. */
export function logsRequest(
  lines: readonly (Line | Uint8Array)[],
  service = 'shop',
  scope: WireMessage = SCOPE,
): Buffer {
  const records = lines.map((line) => (line instanceof Uint8Array ? line : lineBytes(line)));
  return message([
    [
      1,
      message([
        [1, message([[1, keyValue('service.name', any(service))]])],
        [2, message([...scope, ...records.map((record) => [2, record] as const)])],
      ]),
    ],
  ]);
}

const SCOPE: WireMessage = [[1, message([[1, text('checkout.payments')]])]];

function ns(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
