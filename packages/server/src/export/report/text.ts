/** A piece of a text as a report shows it. */
export type Piece =
  | { readonly kind: 'plain'; readonly text: string }
  /** A character that is not shown as it is, by its number: `U+202E`. */
  | { readonly kind: 'code'; readonly text: string }
  /** So many characters (UTF-16 code units) were left out at the end. */
  | { readonly kind: 'rest'; readonly count: number };

/**
 * What nobody sees, or what changes how others are seen: controls, what turns the direction of text, joiners and selectors that stand by no character of
 * a script that has them, spaces of no width, tags, halves of characters, what is no character. Marks are characters, but no more than four on one: a
 * pile of them covers the lines around it. By number and not by `\p{…}`: Node's versions differ in their tables, and reports may not.
 */
const HIDDEN = new RegExp(
  [
    '[\\u0000-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B\\u200E\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\uFDD0-\\uFDEF]',
    '(?<![\\u0600-\\u{10FFFF}])[\\u200C\\u200D\\uFE00-\\uFE0F]',
    '(?<=[\\u0300-\\u036F\\u0483-\\u0489\\u1AB0-\\u1AFF\\u1DC0-\\u1DFF\\u20D0-\\u20FF\\uFE20-\\uFE2F]{4})[\\u0300-\\u036F\\u0483-\\u0489\\u1AB0-\\u1AFF\\u1DC0-\\u1DFF\\u20D0-\\u20FF\\uFE20-\\uFE2F]',
    '[\\u{1BCA0}-\\u{1BCA3}\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E0FFF}]',
    '[\\uD800-\\uDFFF]',
    '[\\u{1FFFE}\\u{1FFFF}\\u{2FFFE}\\u{2FFFF}\\u{EFFFE}-\\u{10FFFF}]',
  ].join('|'),
  'gu',
);

/** Characters shown of a name, and of content: what is longer stands in the records, and the report says how much that is. */
export const NAME_CHARS = 200;
export const CONTENT_CHARS = 1_000;

/** A text as it is shown: nothing hidden in it, nothing left out unsaid. At most `max` characters of it. */
export function piecesOf(text: string, max: number = NAME_CHARS): Piece[] {
  const shown = text.length > max ? text.slice(0, wholeBefore(text, max)) : text;
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of shown.matchAll(HIDDEN)) {
    if (match.index > from) pieces.push({ kind: 'plain', text: shown.slice(from, match.index) });
    pieces.push({ kind: 'code', text: codeOf(match[0]) });
    from = match.index + match[0].length;
  }
  if (from < shown.length) pieces.push({ kind: 'plain', text: shown.slice(from) });
  if (shown.length < text.length) pieces.push({ kind: 'rest', count: text.length - shown.length });
  return pieces;
}

/** `U+` and its number, at least four digits. */
export function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** What a `rest` says. */
export function restText(count: number): string {
  return `… (${grouped(count)} more characters in the records)`;
}

/** A whole number, its digits in threes. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** The end of the last character that is whole before it. */
function wholeBefore(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last < 0xdc00 ? end - 1 : end;
}
