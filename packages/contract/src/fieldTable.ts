import { Checksum, ContentHash, Money, NullableTimestamp, Timestamp, Uuid } from './scalars.js';
import { SHARED_SHAPES } from './sharedShapes.js';

/** What of JSON Schema the contract's schemas use, as somebody reads it who writes them down. */
export interface ReadSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | null)[];
  readonly const?: string | number | boolean;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: string | number | boolean;
  readonly properties?: Readonly<Record<string, ReadSchema>>;
  readonly required?: readonly string[];
  readonly items?: ReadSchema;
  readonly anyOf?: readonly ReadSchema[];
}

/** Texts of one form, and what they are called. */
const SCALARS: readonly (readonly [string, object])[] = [
  ['time', Timestamp],
  ['time or null', NullableTimestamp],
  ['money or null', Money],
  ['checksum', Checksum],
  ['content hash or null', ContentHash],
  ['UUID', Uuid],
];

const shared = new Map(SHARED_SHAPES.map(({ name, schema }) => [formOf(schema), name]));
const scalars = new Map(SCALARS.map(([name, schema]) => [formOf(schema), name]));

/** What a schema says of a value, without what it says to readers. */
function formOf(schema: object): string {
  return JSON.stringify(schema, (key, value: unknown) =>
    ['description', 'examples'].includes(key) ? undefined : value,
  );
}

/** One row of a table: a member by its path, e.g. `items[].metadata`. */
export interface Field {
  readonly path: string;
  readonly type: string;
  readonly meaning: string;
}

/** The members of an object, and of those in it that have no name of their own, in the order of the schema. */
export function fieldsOf(object: ReadSchema, prefix = ''): readonly Field[] {
  return Object.entries(object.properties ?? {}).flatMap(([name, schema]) => {
    const path = `${prefix}${name}`;
    const isOptional = object.required?.includes(name) !== true;
    return [
      { path, type: `${typeOf(schema)}${isOptional ? ', may be left out' : ''}`, meaning: schema.description ?? '' },
      ...innerOf(schema).flatMap(([inner, under]) => fieldsOf(inner, `${path}${under}.`)),
    ];
  });
}

/** The type of a value in words, as Markdown. */
export function typeOf(schema: ReadSchema): string {
  const name = shared.get(formOf(schema));
  if (name !== undefined) return `[${name}](#${name.toLowerCase()})`;
  const scalar = scalars.get(formOf(schema));
  if (scalar !== undefined) return scalar;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((word) => (word === null ? 'null' : `\`${word}\``)).join(', ');
  if (schema.type === 'array') return `array of ${typeOf(schema.items ?? {})}`;
  return [schema.type ?? []].flat().join(' or ');
}

/** Objects that stand in a value and are written down with it; each with what its members' paths go on with. */
function innerOf(schema: ReadSchema): readonly (readonly [ReadSchema, string])[] {
  if (shared.has(formOf(schema))) return [];
  if (schema.items !== undefined) return innerOf(schema.items).map(([inner, under]) => [inner, `[]${under}`]);
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(innerOf);
  return schema.properties === undefined ? [] : [[schema, '']];
}
