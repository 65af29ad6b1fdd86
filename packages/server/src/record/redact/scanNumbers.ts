/** AnyValue.int_value and AnyValue.double_value on the wire: numbers that the digits of a text would not show. */
export const INT_TAG = 0x18;
/** The second of them. */
export const DOUBLE_TAG = 0x21;

/** A number of eleven digits or more in an AnyValue, moments in time aside. */
export function isLargeNumber(bytes: Uint8Array, tag: number, at: number): boolean {
  if (tag === DOUBLE_TAG) {
    // From 2^33 to 2^64, by the high bits of the exponent.
    const high = bytes[at + 7];
    return (high === 0x42 || high === 0x43) && (bytes[at + 6] ?? 0) < 0xf1;
  }
  let value = 0;
  let scale = 1;
  for (let i = at; i < at + 10; i++) {
    const byte = bytes[i] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
  }
  return value >= 1e10 && !isMoment(value);
}

/** Milliseconds, micro- or nanoseconds of our decades: no card begins with 1, and no tax number is that long. */
function isMoment(value: number): boolean {
  return (value >= 1e12 && value < 2e12) || (value >= 1e15 && value < 2e15) || (value >= 1e18 && value < 2e18);
}

/**
 * Whether a run of digits, blanks and dashes can hold a number that a rule looks for. Without dashes: ten digits and more, but no
 * moment in time (seconds to nanoseconds of our decades, unless letters stand before it as in an IBAN). With dashes, as dates
 * and UUIDs have them: the groups of a card or a social security number, or ten digits between two of them.
 */
export function isNumberLike(bytes: Uint8Array, from: number, to: number, digits: number): boolean {
  const unbroken = to - from === digits;
  if (unbroken)
    return digits > 9 && (bytes[from] !== 0x31 || digits % 3 !== 1 || digits > 19 || isLetter(bytes[from - 1] ?? 0));
  let before = 0;
  let last = 0;
  let group = 0;
  let undashed = 0;
  for (let at = from; at <= to; at++) {
    const byte = at < to ? (bytes[at] as number) : 0x2d;
    if (byte >= 0x30 && byte <= 0x39) {
      group++;
      undashed++;
      continue;
    }
    if (byte !== 0x20 && byte !== 0x2d) return true; // written with escapes
    if (group > 9 || isGrouped(before, last, group)) return true;
    before = last;
    last = group;
    group = 0;
    if (byte === 0x2d) {
      if (undashed > 9) return true;
      undashed = 0;
    }
  }
  return false;
}

/** 4-4-4 and 4-6-4 begin a card's groups, 3-2-4 are a social security number's. */
function isGrouped(first: number, second: number, third: number): boolean {
  return (first === 4 && (second === 4 || second === 6) && third >= 4) || (first === 3 && second === 2 && third === 4);
}

/** An ASCII letter. */
export function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}
