import { type AuditEntry, MAX_IO_BYTES } from '@sworn/contract';
import type { JsonValue } from '@sworn/evidence';
import { type AttributeValue, jsonText } from '../otlp/attributes.js';
import { STATE_ATTRIBUTES } from '../otlp/map/log.js';
import { readLogRecord } from '../otlp/logRecord.js';
import { fieldsOf, objectOf } from './auditItem.js';
import type { SoundEntry } from './checkEntry.js';
import { topicOf } from './entryMetadata.js';

/** What an entry is about, before and after. */
type States = Pick<AuditEntry, 'before_state' | 'after_state'>;

/** What every leaf says of itself, and what vouches for it: no state of what it is about. */
const OF_LEAF: ReadonlySet<string> = new Set([
  't',
  'log',
  'kind',
  'by',
  'event_key',
  'occurred_at',
  'recorded_at',
  'r',
  'map',
  'dk',
  'c',
  'mac',
]);

/** Of a control leaf all that it says; of a producer's record what its body says (`body`: opened; null: it has none). */
export function statesOf(entry: SoundEntry, body: Uint8Array | null): States {
  if (topicOf(entry) === 'control') {
    const own = Object.entries(fieldsOf(entry)).filter(([name]) => !OF_LEAF.has(name));
    return { before_state: null, after_state: Object.fromEntries(own) };
  }
  if (topicOf(entry) !== 'audit' || body === null) return { before_state: null, after_state: null };
  const { attributes } = readLogRecord(body);
  return {
    before_state: stateOf(attributes.get(STATE_ATTRIBUTES.before)),
    after_state: stateOf(attributes.get(STATE_ATTRIBUTES.after)),
  };
}

/** A sender's value as an object: what is none stands in one, and of what is very long its length alone. */
function stateOf(value: AttributeValue | undefined): AuditEntry['before_state'] {
  if (value === undefined || value === null) return null;
  const text = typeof value === 'string' ? value : jsonText(value);
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes > MAX_IO_BYTES) return { left_out_bytes: bytes };
  return parsed(text) ?? { value: text };
}

function parsed(text: string): AuditEntry['before_state'] {
  try {
    // Written anew to a bounded depth: `JSON.parse` goes deeper than what serialises answers.
    return objectOf(JSON.parse(jsonText(JSON.parse(text))) as JsonValue);
  } catch {
    return null;
  }
}
