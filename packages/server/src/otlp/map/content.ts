import type { StepKind } from '@sworn/evidence';
import { type AttributeValue, jsonText } from '../attributes.js';
import type { SpanView } from '../span.js';
import type { Mapping } from './tables.js';

/** Messages of one list that are put together from flattened attributes. */
const MAX_MESSAGES = 1_000;
/** Names on the way to one value of a message; the vocabularies have seven. More is left out: the sender chooses them, and JSON is written by recursion. */
const MAX_PATH = 32;

/** A text a step took or gave, with the attribute it comes from and what the sender, or its shape, says it is. */
export interface Content {
  readonly text: string;
  readonly mime: 'application/json' | 'text/plain';
  readonly attribute: string;
}

/** What a step was called and what went in and out: content, never in a leaf. */
export interface StepContent {
  readonly name: string;
  readonly instructions: Content | null;
  readonly input: Content | null;
  readonly output: Content | null;
}

/** Name, prompt and response (of a tool: arguments and result) of a span, by the tables. */
export function stepContent(mapping: Mapping, span: SpanView, kind: StepKind): StepContent {
  const [inputs, outputs] =
    kind === 'TOOL' || kind === 'HANDOFF'
      ? [mapping.tool_input, mapping.tool_output]
      : [mapping.prompt, mapping.response];
  return {
    name: mapping.step_name.map((key) => span.attributes.text(key)).find((text) => text !== null) ?? span.name,
    instructions: first(span, mapping.instructions),
    input: first(span, inputs),
    output: first(span, outputs),
  };
}

/** A trailing `.*` takes flattened messages (`<prefix>.0.message.role`), `<type>` in the middle Mastra's span type. */
function first(span: SpanView, attributes: readonly string[]): Content | null {
  for (const attribute of attributes) {
    if (attribute.endsWith('.*')) {
      const list = unflatten(span, attribute.slice(0, -1));
      if (list !== null) return { text: jsonText(list), mime: 'application/json', attribute: attribute.slice(0, -2) };
      continue;
    }
    const key = attribute.replace('<type>', span.attributes.text('mastra.span.type') ?? '');
    const value = span.attributes.get(key);
    if (value !== undefined && value !== null && value !== '') return contentOf(span, key, value);
  }
  return null;
}

function contentOf(span: SpanView, attribute: string, value: AttributeValue): Content {
  if (typeof value !== 'string') return { text: jsonText(value), mime: 'application/json', attribute };
  // Only `….value` has a type beside it; of any other name the replacement would be the value itself.
  const said = attribute.endsWith('.value') ? span.attributes.text(attribute.replace(/\.value$/, '.mime_type')) : null;
  const json = said === null ? /^\s*[[{]/.test(value) : said === 'application/json';
  return { text: value, mime: json ? 'application/json' : 'text/plain', attribute };
}

interface Flat {
  [name: string]: Flat | AttributeValue;
}
type Unflat = AttributeValue | readonly Unflat[] | { readonly [name: string]: Unflat };

/** `llm.input_messages.0.message.role` and its like as a list of objects again; null where there is none. */
function unflatten(span: SpanView, prefix: string): readonly Unflat[] | null {
  const messages: Flat[] = [];
  for (const key of span.attributes.keys()) {
    if (!key.startsWith(prefix)) continue;
    const [index = '', ...path] = key.slice(prefix.length).split('.');
    const at = /^(?:0|[1-9][0-9]{0,3})$/.test(index) ? Number(index) : MAX_MESSAGES;
    if (at >= MAX_MESSAGES || path.length === 0 || path.length > MAX_PATH) continue;
    messages[at] ??= emptyObject();
    put(messages[at], path, span.attributes.get(key) ?? null);
  }
  const dense = messages.filter((message) => message !== undefined);
  return dense.length > 0 ? dense.map(withLists) : null;
}

/** Where all names are numbers there was a list: `tool_calls.0`. In their order, without its gaps. */
function withLists(value: Flat | AttributeValue): Unflat {
  if (!isFlat(value)) return value;
  const names = Object.keys(value); // whole numbers first, ascending
  const members = names.map((name): [string, Unflat] => [name, withLists(value[name] ?? null)]);
  if (names.every((name) => /^(?:0|[1-9][0-9]{0,3})$/.test(name))) return members.map(([, member]) => member);
  return Object.fromEntries(members);
}

function put(into: Flat, path: readonly string[], value: AttributeValue): void {
  let at = into;
  for (const name of path.slice(0, -1)) {
    const next = at[name];
    at = isFlat(next) ? next : (at[name] = emptyObject());
  }
  at[path.at(-1) ?? ''] = value;
}

/** Without a prototype: the sender chooses the names. */
function emptyObject(): Flat {
  return Object.create(null) as Flat;
}

function isFlat(value: Flat | AttributeValue | undefined): value is Flat {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}
