import type { LogView } from '../logRecord.js';

/** Rust's tracing writes where in the source it is, not what happened: `event otel/src/log.rs:1225` (Codex). */
const SOURCE_PLACE = /^event .+:[0-9]+$/;

/** Claude Code says the whole name in the body alone, where it sends no attribute. Any other body is a text, not a name. */
const NAME_IN_BODY = /^claude_code\.[a-z0-9_.]{1,100}$/;

/** Longest name worth a look. */
const MAX_NAME = 256;

/** The name of an event (OTLP.md 1.2): attribute `event.name`, then the field, then the body of one client; null: it has none. */
export function eventNameOf(record: LogView): string | null {
  const attribute = record.attributes.text('event.name');
  if (attribute !== null) return attribute;
  const { eventName } = record;
  if (eventName !== '' && !(eventName.length <= MAX_NAME && SOURCE_PLACE.test(eventName))) return eventName;
  const { body } = record;
  return typeof body === 'string' && NAME_IN_BODY.test(body) ? body : null;
}
