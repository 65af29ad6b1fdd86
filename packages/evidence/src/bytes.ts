import { Malformed } from './malformed.js';

const encoder = new TextEncoder();
// `ignoreBOM` keeps a byte order mark as a character, so that whoever parses the text sees and refuses it.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a string. The string must be well-formed: a lone surrogate would silently become U+FFFD. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * The string that UTF-8 bytes spell; a byte order mark stays in it.
 * @throws Malformed `not_utf8`
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Malformed('not_utf8', 'not UTF-8');
  }
}

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hex, two digits a byte. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_OF_BYTE[byte];
  return text;
}

/**
 * Bytes of lower-case hex; upper case is refused, so that one value has one spelling.
 * @throws Malformed `hex`
 */
export function unhex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw new Malformed('hex', 'not lower-case hex');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_VALUE: ReadonlyMap<string, number> = new Map(Array.from(BASE64, (digit, value) => [digit, value]));

/** Standard base64 with padding (RFC 4648 §4). */
export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = (at(bytes, i) << 16) | (left > 1 ? at(bytes, i + 1) << 8 : 0) | (left > 2 ? at(bytes, i + 2) : 0);
    text += BASE64.charAt(group >> 18) + BASE64.charAt((group >> 12) & 63);
    text += (left > 1 ? BASE64.charAt((group >> 6) & 63) : '=') + (left > 2 ? BASE64.charAt(group & 63) : '=');
  }
  return text;
}

/**
 * Bytes of canonical base64: padding demanded, unused bits zero, no line breaks, no URL alphabet.
 * @throws Malformed `base64`
 */
export function unbase64(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  if (text.length % 4 !== 0) throw new Malformed('base64', 'base64 of a wrong length');
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let group = 0;
  let bits = 0;
  let written = 0;
  for (let i = 0; i < digits; i++) {
    const value = BASE64_VALUE.get(text.charAt(i));
    if (value === undefined) throw new Malformed('base64', 'not a base64 digit');
    group = ((group << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[written++] = (group >> bits) & 0xff;
    }
  }
  if ((group & ((1 << bits) - 1)) !== 0) throw new Malformed('base64', 'base64 with unused bits set');
  return bytes;
}

/** All parts, one after another, in a new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether both hold the same bytes. The time it takes depends on the length alone, so it may compare authenticators. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= at(a, i) ^ at(b, i);
  return difference === 0;
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}
