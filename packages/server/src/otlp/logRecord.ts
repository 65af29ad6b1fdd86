import { Attributes, type AttributeValue, readAnyValue } from './attributes.js';
import { readFields } from './fields.js';
import { Message } from './message.js';
import { MESSAGES } from './schema.js';

/** A log record as the mapping sees it. Its trace and span ids come with its slice. */
export interface LogView {
  /** Nanoseconds since 1970; 0: not said. */
  readonly timeNs: bigint;
  /** When the sender's collection saw it; 0: not said. */
  readonly observedNs: bigint;
  /** OTLP's SeverityNumber: 1–24; 0 or any other number: not said. */
  readonly severityNumber: number;
  readonly severityText: string;
  /** The field of that name; the attribute `event.name` of older senders is not in it. */
  readonly eventName: string;
  readonly attributes: Attributes;
  /** null: none, or an empty value. */
  readonly body: AttributeValue;
}

/** Reads the bytes of a LogRecord that the wire reader has checked (or the redactor has written). */
export function readLogRecord(bytes: Uint8Array): LogView {
  const fields = readFields(Message.of(bytes), MESSAGES.LogRecord);
  return {
    timeNs: fields.ns('timeUnixNano'),
    observedNs: fields.ns('observedTimeUnixNano'),
    severityNumber: fields.number('severityNumber'),
    severityText: fields.text('severityText'),
    eventName: fields.text('eventName'),
    attributes: new Attributes(fields.messages('attributes')),
    get body() {
      return readAnyValue(fields.message('body'));
    },
  };
}
