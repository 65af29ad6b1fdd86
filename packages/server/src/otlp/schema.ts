import { type MessageName, ROWS, type Row, type ScalarType } from './messages.js';

/**
 * The OTLP messages as data. The wire reader checks by it, the JSON transcoder and the redactor walk by it. A field's place is its number,
 * its name that of OTLP/JSON.
 */
interface FieldBase {
  readonly number: number;
  /** The lowerCamelCase name of OTLP/JSON. */
  readonly name: string;
  readonly repeated: boolean;
  /** Wire type of the field's elements; any other wire type on this number makes the element unknown. */
  readonly wireType: 0 | 1 | 2 | 5;
  /** Member of the message's oneof: on the wire the last one of them counts, in JSON there is at most one. No message here has two oneofs. */
  readonly oneof: boolean;
}

/** A scalar field. `hexId`: bytes that OTLP/JSON writes as hex, not base64. */
export interface ScalarField extends FieldBase {
  readonly type: ScalarType;
  readonly hexId: boolean;
  /** Repeated numbers in one length-delimited element; null: not packed. A reader takes elements of this wire type too, one number each. */
  readonly packed: 0 | 1 | null;
  readonly message: null;
}

/** A field that holds messages. */
export interface MessageField extends FieldBase {
  readonly type: 'message';
  readonly hexId: false;
  readonly packed: null;
  readonly message: MessageSchema;
}

export type Field = ScalarField | MessageField;

export interface MessageSchema {
  readonly name: MessageName;
  /** Ascending by number. */
  readonly fields: readonly Field[];
  /** By field number; a hole is an unknown field. */
  readonly byNumber: readonly (Field | undefined)[];
  /** By JSON name. A Map, so that no name a sender chooses can reach a prototype. */
  readonly byName: ReadonlyMap<string, Field>;
}

const WIRE_TYPES: Readonly<Record<ScalarType, FieldBase['wireType']>> = {
  string: 2,
  bytes: 2,
  int64: 0,
  uint64: 0,
  sint32: 0,
  fixed64: 1,
  sfixed64: 1,
  fixed32: 5,
  uint32: 0,
  double: 1,
  bool: 0,
  enum: 0,
};

/** Every message by its name, references resolved (AnyValue is recursive). */
export const MESSAGES: Readonly<Record<MessageName, MessageSchema>> = link();

function link(): Record<MessageName, MessageSchema> {
  const schemas = {} as Record<MessageName, MessageSchema>;
  const fieldLists = {} as Record<MessageName, Field[]>;
  const names = Object.keys(ROWS) as MessageName[];
  for (const name of names) {
    fieldLists[name] = [];
    schemas[name] = {
      name,
      fields: fieldLists[name],
      byNumber: [],
      byName: new Map(),
    };
  }
  for (const name of names) {
    const fields = fieldLists[name];
    fields.push(...ROWS[name].map((row) => fieldOf(row, schemas)));
    const highest = fields.at(-1)?.number ?? 0;
    const byNumber = Array.from({ length: highest + 1 }, (_, number) => fields.find((f) => f.number === number));
    const byName = new Map(fields.map((field) => [field.name, field]));
    Object.assign(schemas[name], { byNumber, byName });
  }
  return schemas;
}

function fieldOf([number, name, written, mark]: Row, schemas: Record<MessageName, MessageSchema>): Field {
  const repeated = written.endsWith('[]');
  const type = (repeated ? written.slice(0, -2) : written) as ScalarType | MessageName;
  const base = { number, name, repeated, oneof: mark === 'one' };
  if (type in WIRE_TYPES) {
    const scalar = type as ScalarType;
    const ofElement = WIRE_TYPES[scalar];
    const packed = repeated && (ofElement === 0 || ofElement === 1) ? ofElement : null;
    const wireType = packed === null ? ofElement : 2;
    return { ...base, wireType, type: scalar, hexId: mark === 'hex', packed, message: null };
  }
  const message = schemas[type as MessageName];
  return { ...base, wireType: 2, type: 'message', hexId: false, packed: null, message };
}
