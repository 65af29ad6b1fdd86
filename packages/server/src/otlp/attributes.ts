import { Message } from './message.js';
import { MESSAGES } from './schema.js';

/** A value of OTLP's AnyValue; null is an AnyValue with no member set. int64 is a bigint, never a double. */
export type AttributeValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | null
  | readonly AttributeValue[]
  | ReadonlyMap<string, AttributeValue>;

/**
 * The attributes of a span, event, link, resource or scope. Keys are read at once, values when asked for: a mapping asks
 * for a dozen of them, and prompts are long. Of a repeated key the last counts.
 */
export class Attributes {
  readonly #values = new Map<string, Message>();

  /** KeyValue messages, in wire order. */
  constructor(keyValues: readonly Message[]) {
    for (const keyValue of keyValues) {
      const { key, value } = readKeyValue(keyValue);
      this.#values.set(key, value);
    }
  }

  get size(): number {
    return this.#values.size;
  }

  /** Whether the bytes of the value hold those of `needle`: asked before a long text is decoded. */
  mentions(key: string, needle: string): boolean {
    return this.#values.get(key)?.holds(needle) ?? false;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  /** undefined: no such attribute. */
  get(key: string): AttributeValue | undefined {
    const value = this.#values.get(key);
    return value === undefined ? undefined : readAnyValue(value);
  }

  /** The value if it is a string with something in it. */
  text(key: string): string | null {
    const value = this.get(key);
    return typeof value === 'string' && value !== '' ? value : null;
  }
}

function readKeyValue(keyValue: Message): { key: string; value: Message } {
  let key = '';
  const value: Message[] = [];
  keyValue.elements(MESSAGES.KeyValue, (field) => {
    if (field.number === 1) key = keyValue.name();
    else value.push(keyValue.inner());
  });
  return { key, value: Message.merged(value) };
}

/** Decodes an AnyValue that the wire reader has checked. The last member on the wire counts; the same message member again is merged into it. */
export function readAnyValue(any: Message): AttributeValue {
  let scalar: AttributeValue = null;
  let member = '';
  let parts: Message[] = [];
  any.elements(MESSAGES.AnyValue, ({ name }) => {
    if (member !== name) parts = [];
    member = name;
    switch (name) {
      case 'stringValue':
        scalar = any.text();
        return;
      case 'boolValue':
        scalar = any.bool();
        return;
      case 'intValue':
        scalar = any.int64();
        return;
      case 'doubleValue':
        scalar = any.double();
        return;
      case 'bytesValue':
        scalar = any.bytes();
        return;
      default:
        parts.push(any.inner());
    }
  });
  if (member === 'arrayValue') return readArray(Message.merged(parts));
  if (member === 'kvlistValue') return readKeyValueList(Message.merged(parts));
  return scalar;
}

/** Containers inside each other in a JSON text; the text of one further in is `null`. As many as protobuf nests messages. */
const MAX_DEPTH = 100;

/**
 * A value, or one parsed from JSON, as JSON text: int64 as digits, bytes as base64. For readers, not for hashing. A sender chooses the depth, and
 * the stack has an end: `JSON.parse` goes deeper than `JSON.stringify`.
 */
export function jsonText(value: unknown): string {
  const depths = new WeakMap<object, number>();
  return JSON.stringify(value, function (this: object, _, member: unknown) {
    if (typeof member === 'bigint') return member.toString();
    if (member instanceof Uint8Array) return Buffer.from(member).toString('base64');
    if (typeof member !== 'object' || member === null) return member;
    const depth = (depths.get(this) ?? -1) + 1;
    if (depth >= MAX_DEPTH) return null;
    const container: object = member instanceof Map ? Object.fromEntries(member) : member;
    depths.set(container, depth);
    return container;
  });
}

function readArray(array: Message): AttributeValue[] {
  const values: AttributeValue[] = [];
  array.elements(MESSAGES.ArrayValue, () => values.push(readAnyValue(array.inner())));
  return values;
}

function readKeyValueList(list: Message): ReadonlyMap<string, AttributeValue> {
  const values = new Map<string, AttributeValue>();
  list.elements(MESSAGES.KeyValueList, () => {
    const { key, value } = readKeyValue(list.inner());
    values.set(key, readAnyValue(value));
  });
  return values;
}
