import { RefusedPart } from './rejections.js';

/** Largest decimal exponent that an integer may be written with: an int64 has at most 19 digits. */
const MAX_EXPONENT = 40;

const RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** An integer of OTLP/JSON, exact: digits, or a fraction or exponent that comes to a whole number (`1.0`, `12e2`). */
export function integerValue(text: string, range: keyof typeof RANGES): bigint {
  const value = exactInteger(text);
  const [least, greatest] = RANGES[range];
  if (value === null || value < least || value > greatest) throw new RefusedPart(`a number is not of type ${range}`);
  return value;
}

/** A double of OTLP/JSON: a number literal, or a string with one, `NaN`, `Infinity` or `-Infinity`. Refuses overflow. */
export function doubleValue(text: string): number {
  if (text === 'NaN') return Number.NaN;
  if (text === 'Infinity') return Number.POSITIVE_INFINITY;
  if (text === '-Infinity') return Number.NEGATIVE_INFINITY;
  const value = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw new RefusedPart('a number is not of type double');
  return value;
}

/** A trace or span id: hex in any case. The empty string is the empty id. */
export function hexValue(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new RefusedPart('an id is not hex');
  return Buffer.from(text, 'hex');
}

/** Base64, standard or URL-safe alphabet, padding optional, as proto3 JSON reads it. */
export function base64Value(text: string): Uint8Array {
  const digits = text.replace(/={1,2}$/, '');
  const padded = digits.length !== text.length;
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1 || (padded && text.length % 4 !== 0)) {
    throw new RefusedPart('a bytes value is not base64');
  }
  return Buffer.from(digits, 'base64');
}

function exactInteger(text: string): bigint | null {
  if (/^-?[0-9]+$/.test(text)) return BigInt(text);
  const parts = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?$/.exec(text);
  if (parts === null) return null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts;
  const digits = `${whole}${fraction}`;
  const shift = Number(exponent) - fraction.length;
  if (/^0+$/.test(digits)) return 0n;
  if (shift > MAX_EXPONENT) return null;
  if (shift >= 0) return BigInt(`${sign}${digits}${'0'.repeat(shift)}`);
  const kept = digits.slice(0, shift);
  if (!/^0*$/.test(digits.slice(shift)) || kept === '') return null;
  return BigInt(`${sign}${kept}`);
}
