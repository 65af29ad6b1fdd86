import { Message } from './message.js';
import type { MessageSchema } from './schema.js';

/** The elements of one message by JSON name, with protobuf's defaults for absent ones. */
interface Fields {
  text(name: string): string;
  hex(name: string): string;
  number(name: string): number;
  ns(name: string): bigint;
  message(name: string): Message;
  messages(name: string): readonly Message[];
}

/** Reads a message that the wire reader has checked. Of a repeated singular field the last counts. */
export function readFields(message: Message, schema: MessageSchema): Fields {
  const scalars = new Map<string, string | number | bigint>();
  const messages = new Map<string, Message[]>();
  message.elements(schema, (field) => {
    switch (field.type) {
      case 'message': {
        const before = messages.get(field.name);
        if (before === undefined) messages.set(field.name, [message.inner()]);
        else before.push(message.inner());
        return;
      }
      case 'string':
        scalars.set(field.name, message.text());
        return;
      case 'bytes':
        scalars.set(field.name, message.hex());
        return;
      case 'fixed64':
        scalars.set(field.name, message.fixed64());
        return;
      case 'fixed32':
        scalars.set(field.name, message.fixed32());
        return;
      default:
        scalars.set(field.name, field.type === 'enum' ? message.enum() : message.uint32());
    }
  });
  const scalar = <T extends string | number | bigint>(name: string, absent: T): T =>
    (scalars.get(name) as T | undefined) ?? absent;
  return {
    text: (name) => scalar(name, ''),
    hex: (name) => scalar(name, ''),
    number: (name) => scalar(name, 0),
    ns: (name) => scalar(name, 0n),
    message: (name) => Message.merged(messages.get(name)),
    messages: (name) => messages.get(name) ?? [],
  };
}
