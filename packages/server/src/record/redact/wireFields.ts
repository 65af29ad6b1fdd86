/** One field of a message on the wire (protobuf encoding guide, "Message structure"). Offsets are into the message. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly start: number;
  /** End of the tag: for wire type 2 the length follows. */
  readonly tagEnd: number;
  /** Start of the value, behind tag and length. */
  readonly valueStart: number;
  readonly end: number;
}

/** Groups inside groups that are followed; OTLP has none at all. */
const GROUP_DEPTH = 16;

/**
 * The fields of a message in order; null when the bytes are no well-formed message. Stops behind `most` fields: one more than that
 * means that there are too many.
 */
export function readFields(bytes: Uint8Array, most: number): WireField[] | null {
  const fields: WireField[] = [];
  for (let at = 0; at < bytes.length && fields.length <= most; ) {
    const field = fieldAt(bytes, at);
    if (field === null) return null;
    fields.push(field);
    at = field.end;
  }
  return fields;
}

/** The field that begins at `start`; null when none does. `depth` counts the groups around it. */
export function fieldAt(bytes: Uint8Array, start: number, depth = 0): WireField | null {
  const tagEnd = varintEnd(bytes, start);
  if (tagEnd < 0) return null;
  const tag = varintValue(bytes, start, tagEnd);
  const number = Math.floor(tag / 8);
  const wireType = tag % 8;
  if (number === 0) return null;
  let valueStart = tagEnd;
  let end = -1;
  if (wireType === 0) end = varintEnd(bytes, tagEnd);
  else if (wireType === 1) end = tagEnd + 8;
  else if (wireType === 5) end = tagEnd + 4;
  else if (wireType === 2) {
    valueStart = varintEnd(bytes, tagEnd);
    end = valueStart < 0 ? -1 : valueStart + varintValue(bytes, tagEnd, valueStart);
  } else if (wireType === 3 && depth < GROUP_DEPTH) end = groupEnd(bytes, tagEnd, number, depth);
  return end < 0 || end > bytes.length ? null : { number, wireType, start, tagEnd, valueStart, end };
}

function groupEnd(bytes: Uint8Array, start: number, number: number, depth: number): number {
  for (let at = start; at < bytes.length; ) {
    const tagEnd = varintEnd(bytes, at);
    if (tagEnd < 0) return -1;
    if (varintValue(bytes, at, tagEnd) === number * 8 + 4) return tagEnd;
    const field = fieldAt(bytes, at, depth + 1);
    if (field === null) return -1;
    at = field.end;
  }
  return -1;
}

/** Index after the varint at `at`; -1 when it does not end within ten bytes. */
function varintEnd(bytes: Uint8Array, at: number): number {
  for (let i = at; i < at + 10; i++) {
    const byte = bytes[i];
    if (byte === undefined) return -1;
    if (byte < 0x80) return i + 1;
  }
  return -1;
}

/** Value of a tag or length; exact below 2^53, which no message of ours reaches. */
function varintValue(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = end - 1; at >= start; at--) value = value * 128 + ((bytes[at] ?? 0) & 0x7f);
  return value;
}

/** Shortest varint of a length. */
export function encodeVarint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Uint8Array.from(out);
}
