/** A leaf holds no free text and no address: only what looks like a name, an id or a version may enter it from an attribute. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._:/@+#-]{0,127}$/;

const EMAIL = /@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}/;

/** True for text of up to 128 characters that is shaped like a name and not like an e-mail address. */
export function nameShaped(text: string): boolean {
  return NAME.test(text) && !EMAIL.test(text);
}
