import { randomFillSync } from 'node:crypto';
import { tracesFromJson } from '@sworn/server';

/** What differs between the copies of a request. Everything named must be unlike everything else in it. */
export interface Marks {
  /** Trace and span ids. */
  readonly ids: readonly Uint8Array[];
  /** Starts and ends, nanoseconds since 1970. */
  readonly times?: readonly bigint[];
  /** Texts of which each copy has others, as long. */
  readonly texts?: readonly string[];
}

/** What a copy says in place of the marks. */
export interface Stamp {
  readonly shiftNs: bigint;
  readonly texts: readonly string[];
}

/** An OTLP/HTTP protobuf traces request that can be sent again and again as other traces. */
export interface Template {
  readonly bytes: number;
  /** A copy with ids that nothing else has. Costs a copy and random bytes, so that the sender is no part of what is measured. */
  fresh(stamp?: Stamp): Buffer;
}

/** Encodes an OTLP/JSON request once, and finds its marks. */
export function makeTemplate(request: object, marks: Marks): Template {
  const encoded = Buffer.from(tracesFromJson(Buffer.from(JSON.stringify(request))).bytes);
  const ids = marks.ids.map((id) => ({ length: id.length, offsets: offsetsOf(encoded, Buffer.from(id)) }));
  const idBytes = ids.reduce((sum, { length }) => sum + length, 0);
  const times = (marks.times ?? []).map((ns) => ({ ns, offsets: offsetsOf(encoded, fixed64(ns)) }));
  const texts = (marks.texts ?? []).map((text) => offsetsOf(encoded, Buffer.from(text)));
  return {
    bytes: encoded.length,
    fresh(stamp) {
      const copy = Buffer.from(encoded);
      const random = randomFillSync(Buffer.allocUnsafe(idBytes));
      let from = 0;
      for (const { length, offsets } of ids) {
        for (const offset of offsets) random.copy(copy, offset, from, from + length);
        from += length;
      }
      if (stamp === undefined) return copy;
      for (const { ns, offsets } of times) {
        for (const offset of offsets) copy.writeBigUInt64LE(ns + stamp.shiftNs, offset);
      }
      texts.forEach((offsets, i) => {
        for (const offset of offsets) copy.write(stamp.texts[i] ?? '', offset, 'latin1');
      });
      return copy;
    },
  };
}

function offsetsOf(request: Buffer, mark: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = request.indexOf(mark); at >= 0; at = request.indexOf(mark, at + mark.length)) offsets.push(at);
  return offsets;
}

/** As protobuf writes a `fixed64`. */
function fixed64(ns: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ns);
  return bytes;
}
