import type { SpanView } from '../span.js';
import type { Sources } from './source.js';
import { FAILED_VALUES, FAILURE_PATTERNS, type Mark } from './tables.js';

/** The marks of a span (OTLP.md 2.5, rule 2; 4.2), in a fixed order. */
export function marksOf(span: SpanView, sources: Sources, kind: string): Mark[] {
  const marks: Mark[] = [];
  const error = span.status.code === 2;
  const message = error ? span.status.message.slice(0, MAX_MESSAGE_LENGTH) : '';
  if (FAILED_VALUES.some(([source, value]) => sources.word(source) === value)) marks.push('failed');
  if (isInterrupt(message)) return [...marks, 'interrupt'];
  if (isTripwire(span, sources, message)) marks.push('tripwire');
  if (kind === 'TOOL' && message.startsWith(NOT_APPROVED)) marks.push('denied');
  if (!error && marks.length === 0) return marks;
  const words = [sources.text('error.type'), exceptionType(span), message].filter((word) => word !== null).join('\n');
  for (const [mark, pattern] of FAILURE_PATTERNS) {
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

/** OpenAI Agents' word for a tool call that a human rejected. */
const NOT_APPROVED = 'Tool execution was not approved';

/** LangGraph pauses for a human by throwing: the message is a JSON array of interrupts with `value.actionRequests`. */
function isInterrupt(message: string): boolean {
  if (!message.trimStart().startsWith('[') || !message.includes('"actionRequests"')) return false;
  try {
    const interrupts: unknown = JSON.parse(message);
    return Array.isArray(interrupts) && interrupts.some((item) => Array.isArray(item?.value?.actionRequests));
  } catch {
    // Exporters cut long messages; the beginning names it all the same.
    return /^\[\s*\{[^}]*"value"\s*:\s*\{\s*"actionRequests"/.test(message.trimStart());
  }
}

function isTripwire(span: SpanView, sources: Sources, message: string): boolean {
  if (/TripwireTriggered\b/.test(message) || (exceptionType(span) ?? '').endsWith('TripwireTriggered')) return true;
  const triggered = sources.value('guardrail.triggered');
  if (triggered === true || triggered === 'true') return true;
  return sources.value(['mastra.agent_run.output', 'tripwire']) !== undefined;
}
