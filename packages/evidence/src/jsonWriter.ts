import { utf8 } from './bytes.js';
import { checkText, DOCUMENT, type JsonObject, type JsonRules, type JsonValue, PLAIN } from './json.js';

/**
 * The canonical bytes of a value (RFC 8785), after all of I-JSON was checked.
 * @throws Malformed `number`, `string`, `too_deep`, `too_large`
 */
export function canonicalize(value: JsonValue): Uint8Array {
  return writeCanonical(value, DOCUMENT);
}

/** `canonicalize` under other bounds. */
export function writeCanonical(value: JsonValue, rules: JsonRules): Uint8Array {
  const bytes = utf8(write(value, rules, 1));
  if (bytes.length > rules.maxBytes) throw rules.refuse('too_large', `${bytes.length} bytes`);
  return bytes;
}

// Text is put together by hand, not through an object with sorted members: JavaScript orders members like "10" by number, and one named
// `__proto__` is not a member at all. Strings and integers are written by RFC 8785 just as ECMAScript writes them.
function write(value: JsonValue, rules: JsonRules, depth: number): string {
  switch (typeof value) {
    case 'string':
      if (PLAIN.test(value)) return `"${value}"`;
      checkText(value, rules);
      return JSON.stringify(value);
    case 'number':
      if (!Number.isSafeInteger(value)) throw rules.refuse('number', 'not an integer within ±(2^53−1)');
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth > rules.maxDepth) throw rules.refuse('too_deep', `deeper than ${rules.maxDepth}`);
      return Array.isArray(value) ? writeList(value, rules, depth) : writeObject(value as JsonObject, rules, depth);
    default:
      throw rules.refuse('not_json', `a ${typeof value} is not JSON`);
  }
}

function writeList(list: readonly JsonValue[], rules: JsonRules, depth: number): string {
  if (list.length > rules.maxListItems) throw rules.refuse('list_too_long', `${list.length} items`);
  let text = '[';
  for (let i = 0; i < list.length; i++) text += (i === 0 ? '' : ',') + write(list[i] as JsonValue, rules, depth + 1);
  return `${text}]`;
}

function writeObject(object: JsonObject, rules: JsonRules, depth: number): string {
  // The default order of `sort` is by UTF-16 code unit, which is what RFC 8785 §3.2.3 asks for.
  const members = Object.keys(object).sort();
  let text = '{';
  for (const member of members) {
    if (!rules.memberName.test(member)) throw rules.refuse('member_name', `member name ${JSON.stringify(member)}`);
    text += `${text.length === 1 ? '' : ','}${write(member, rules, depth)}:${write(object[member] as JsonValue, rules, depth + 1)}`;
  }
  return `${text}}`;
}
