import type { SpanSlice } from './decoded.js';
import { skipValue } from './check.js';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { Sink } from './sink.js';

/** The bytes of one stored span with those of the resource and scope it came with. */
export interface SpanBytes {
  readonly bytes: Uint8Array;
  readonly resource: Pick<SpanSlice['resource'], 'bytes'>;
  readonly scope: Pick<SpanSlice['scope'], 'bytes'>;
}

/**
 * Spans as an ExportTraceServiceRequest again, in their order: neighbours with the same resource and scope (by identity) share a group.
 * For a request whose sender wrote fields in order, and all of whose spans were kept, this gives back its bytes.
 */
export function assembleTraces(spans: readonly SpanBytes[]): Uint8Array {
  const sink = new Sink();
  for (const ofResource of neighbours(spans, (span) => span.resource)) {
    const [{ resource }] = ofResource;
    around(sink, 1, resource.bytes, () => {
      for (const ofScope of neighbours(ofResource, (span) => span.scope)) {
        const [{ scope }] = ofScope;
        around(sink, 2, scope.bytes, () => {
          for (const span of ofScope) {
            sink.tag(2, 2);
            sink.lengthDelimited(span.bytes);
          }
        });
      }
    });
  }
  return sink.bytes();
}

/** Writes message `number` made of a source's fields with what it holds (its field 2) in its place among them. */
function around(sink: Sink, number: number, source: Uint8Array, held: () => void): void {
  const split = endOfFirstField(source);
  sink.tag(number, 2);
  const start = sink.fork();
  sink.raw(source.subarray(0, split));
  held();
  sink.raw(source.subarray(split));
  sink.join(start);
}

/** Where the elements of field 1 at the front of a source end: field 2 stood there. */
function endOfFirstField(source: Uint8Array): number {
  const reader = new BinaryReader(source);
  while (reader.pos < source.length) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag >>> 3 !== 1) return start;
    skipValue(reader, tag, source.length);
  }
  return source.length;
}

function neighbours<T>(items: readonly T[], of: (item: T) => unknown): [T, ...T[]][] {
  const groups: [T, ...T[]][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    if (last !== undefined && of(last[0]) === of(item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}
