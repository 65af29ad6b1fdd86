import type { StepKind } from '@sworn/evidence';
import type { SpanView } from '../span.js';
import { decisionsOf } from './decisions.js';
import type { Sources } from './source.js';
import type { Mapping, Mark, Meanings } from './tables.js';

/** The marks of a span (docs/mapping.md, "Status"), in a fixed order. */
export function marksOf(mapping: Mapping, span: SpanView, sources: Sources, kind: StepKind): Mark[] {
  const marks = decisionsOf(mapping, span.attributes, kind);
  const error = span.status.code === 2;
  if (says(sources, mapping.failed_values)) marks.push('failed');
  if (!error) {
    if (saysTripwire(mapping, sources)) marks.push('tripwire');
    return marks.length === 0 || !marks.includes('failed') ? marks : withCauses(mapping, sources, marks, '');
  }
  const message = span.status.message.slice(0, MAX_MESSAGE_LENGTH);
  const exception = exceptionType(span);
  const types = [sources.firstText(mapping.error_type), exception];
  if (isInterrupt(mapping, message) || endsIn(types, mapping.interrupt_types)) return [...marks, 'interrupt'];
  if (
    saysTripwire(mapping, sources) ||
    endsIn(types, mapping.tripwire_types) ||
    mapping.tripwire_types.some((type) => message.includes(type))
  ) {
    marks.push('tripwire');
  }
  if (kind === 'TOOL' && mapping.denied_messages.some((words) => message.startsWith(words))) marks.push('denied');
  return withCauses(mapping, sources, marks, [...types, message].filter((word) => word !== null).join('\n'));
}

function withCauses(mapping: Mapping, sources: Sources, marks: Mark[], said: string): Mark[] {
  const words = said === '' ? (sources.firstText(mapping.error_type) ?? '') : said;
  for (const [mark, pattern] of mapping.failure_words) {
    if (pattern.test(words)) marks.push(mark);
  }
  return marks;
}

/** The type of the exception recorded on the span, if one was. */
export function exceptionType(span: SpanView): string | null {
  if (span.status.code !== 2) return null;
  const event = span.events.find(({ name }) => name === 'exception');
  return event?.attributes.text('exception.type') ?? null;
}

/** Characters of a status message that are looked at: what names the cause stands at its front. */
const MAX_MESSAGE_LENGTH = 65_536;

function says(sources: Sources, values: Meanings<true>): boolean {
  return values.some(([source, meanings]) => {
    const word = sources.word(source);
    return word !== null && meanings.has(word);
  });
}

function saysTripwire(mapping: Mapping, sources: Sources): boolean {
  if (says(sources, mapping.tripwire_values)) return true;
  return sources.of(mapping.tripwire_members).some(({ source }) => sources.value(source) !== undefined);
}

function endsIn(types: readonly (string | null)[], endings: readonly string[]): boolean {
  return types.some((type) => type !== null && endings.some((ending) => type.endsWith(ending)));
}

/**
 * LangGraph pauses for a human by throwing: the message is a JSON array of interrupts. LangChain.js sends no exception type; it puts the stack behind
 * the message, which begins with it.
 */
function isInterrupt({ interrupt_types: types }: Mapping, message: string): boolean {
  const text = message.trimStart();
  if (!text.startsWith('[')) return false;
  const [interrupts, stack] = [text.split('\n\n', 1)[0] ?? '', /\n\n([\w$.]{1,128}): \[/.exec(text)];
  if (stack !== null && stack.index === interrupts.length)
    return endsIn([stack[1] ?? null], types) || asksFor(interrupts);
  return INTERRUPT.test(text) || asksFor(interrupts);
}

/** An interrupt as LangGraph writes it, its id a hash of 128 bits: for messages without a stack, and those that exporters cut. */
const INTERRUPT = /^\[\s*\{\s*"id"\s*:\s*"[0-9a-f]{32}"\s*,\s*"value"\s*:/;

/** What LangChain's middleware asks for, whatever its interrupt is like: `value.actionRequests`. */
function asksFor(interrupts: string): boolean {
  if (!interrupts.includes('"actionRequests"')) return false;
  try {
    const parsed: unknown = JSON.parse(interrupts);
    return Array.isArray(parsed) && parsed.some((item) => Array.isArray(item?.value?.actionRequests));
  } catch {
    // Exporters cut long messages; the beginning names it all the same.
    return /^\[\s*\{[^}]*"value"\s*:\s*\{\s*"actionRequests"/.test(interrupts);
  }
}
