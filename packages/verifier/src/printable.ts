/** Characters of a hostile text that are shown: one line of a terminal, and more than a name may have. */
const SHOWN_CHARACTERS = 240;

/**
 * Text that an attacker chose, fit to be shown: printable ASCII as it is, every other character as `\u{…}`, and a long one cut, with its length.
 * Neither a terminal nor a page can be made to do anything by it.
 */
export function printable(text: string): string {
  const shown = Array.from(text.slice(0, SHOWN_CHARACTERS), (char) =>
    char >= ' ' && char <= '~' ? char : `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
  ).join('');
  return text.length > SHOWN_CHARACTERS ? `${shown}… (${text.length} characters)` : shown;
}

/** One JSON document on one line, printable ASCII alone: what it cites of a bundle is as harmless, and parses back to the same value. */
export function printableJson(value: unknown): string {
  // By code unit: what is beyond the first plane becomes the pair that JSON writes.
  return JSON.stringify(value).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
