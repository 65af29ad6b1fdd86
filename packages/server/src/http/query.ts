import type { TObject } from 'typebox';
import { Compile } from 'typebox/compile';
import { type ParameterError, Refusal } from '../access/refusal.js';

/** Names that may be repeated in an answer; anything else in a query is the attacker's text. */
const QUOTABLE_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** Parameters of one request that an answer finds fault with: there may be thousands in its 16 KiB. */
const MAX_ERRORS = 32;
const WHOLE_NUMBER = /^(0|[1-9]\d{0,14})$/;

/** What a parameter's schema may say. */
interface Property {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
}

/** Parameters that passed their schema, by name. */
export type QueryValues = Readonly<Record<string, string | number | boolean>>;

/**
 * A reader of query strings for one schema: every parameter known, once, in plain decimal where it is a number, and within its bounds.
 * The reader throws Refusal `invalid_parameter` naming each that is not.
 */
export function queryReader(schema: TObject): (search: string) => QueryValues {
  const validator = Compile(schema);
  const properties = new Map(Object.entries(schema.properties) as [string, Property][]);
  return (search) => {
    const errors: ParameterError[] = [];
    const values: Record<string, string | number | boolean> = {};
    for (const [name, text] of new URLSearchParams(search)) {
      const shown = QUOTABLE_NAME.test(name) ? name : 'query';
      if (!properties.has(name)) errors.push({ parameter: shown, detail: 'is not a parameter of this endpoint' });
      else if (Object.hasOwn(values, name)) errors.push({ parameter: name, detail: 'stands more than once' });
      else values[name] = valueOf(properties.get(name)?.type, text);
    }
    if (errors.length === 0 && !validator.Check(values)) {
      const wrong = new Set(
        [...validator.Errors(values)].map(({ instancePath }) => instancePath.split('/')[1] ?? 'query'),
      );
      for (const parameter of wrong) errors.push({ parameter, detail: wantedOf(properties.get(parameter) ?? {}) });
    }
    if (errors.length > 0) throw refusal(errors);
    return values;
  };
}

/** What a parameter takes, in words: a pattern's description stands for it. */
function wantedOf({ type, enum: words, minimum, maximum, description }: Property): string {
  if (words !== undefined) return `must be one of ${words.join(', ')}`;
  if (type === 'boolean') return 'must be true or false';
  if (type === 'integer') return `must be a whole number from ${minimum ?? 0} to ${maximum ?? Number.MAX_SAFE_INTEGER}`;
  return `must be: ${description ?? 'of its schema'}`;
}

/** A value that is not of its type stays text, and the schema refuses it. */
function valueOf(type: string | undefined, text: string): string | number | boolean {
  if (type === 'integer' && WHOLE_NUMBER.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function refusal(all: readonly ParameterError[]): Refusal {
  const errors = all.slice(0, MAX_ERRORS);
  const detail = errors.map((error) => `${error.parameter}: ${error.detail}`).join('; ');
  return new Refusal('invalid_parameter', detail, { errors });
}
