import { BinaryReader } from '@bufbuild/protobuf/wire';
import { skipValue } from './check.js';
import type { Field, MessageSchema } from './schema.js';

/**
 * Calls `visit` for each element of a checked message whose field the schema knows, the reader standing at its value;
 * unknown fields are passed over. For LEN fields `end` is where the value ends, and the length has been read.
 */
export function readElements(
  bytes: Uint8Array,
  schema: MessageSchema,
  visit: (field: Field, reader: BinaryReader, end: number) => void,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < bytes.length) {
    const tag = reader.uint32();
    const field = schema.byNumber[tag >>> 3];
    if (field === undefined || field.wireType !== (tag & 7)) {
      skipValue(reader, tag, bytes.length);
    } else if (field.wireType === 2) {
      const end = reader.uint32() + reader.pos;
      visit(field, reader, end);
      reader.pos = end;
    } else {
      visit(field, reader, reader.pos);
    }
  }
}

/**
 * The bytes of a singular message that came in several parts: protobuf merges them, which is what reading them one after
 * the other does. Joined once: a sender may write a million parts.
 */
export function mergedMessage(parts: readonly Uint8Array[] | undefined): Uint8Array {
  const [first] = parts ?? [];
  if (first === undefined) return new Uint8Array(0);
  if (parts?.length === 1) return first;
  const merged = new Uint8Array((parts ?? []).reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts ?? []) {
    merged.set(part, at);
    at += part.length;
  }
  return merged;
}

/** int64 and fixed64 as BigInt: the library gives strings where the runtime has none. */
export function exact(value: bigint | string): bigint {
  return BigInt(value);
}
