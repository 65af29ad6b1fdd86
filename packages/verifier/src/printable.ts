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
