import type { JsonValue } from '@sworn/evidence';

/** The members of a leaf that passed its check, read by name. What is absent, or of another type, is null: never a default. */
export interface Members {
  text(name: string): string | null;
  count(name: string): number | null;
  flag(name: string): boolean | null;
  texts(name: string): readonly string[];
  /** Members of an object; empty when there is none. */
  object(name: string): Members;
  objects(name: string): readonly Members[];
}

export function membersOf(value: Readonly<Record<string, JsonValue>>): Members {
  return {
    text: (name) => (typeof value[name] === 'string' ? value[name] : null),
    count: (name) => (typeof value[name] === 'number' ? value[name] : null),
    flag: (name) => (typeof value[name] === 'boolean' ? value[name] : null),
    texts: (name) => listOf(value[name]).filter((item) => typeof item === 'string'),
    object: (name) => membersOf(objectOf(value[name])),
    objects: (name) => listOf(value[name]).map((item) => membersOf(objectOf(item))),
  };
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};
}
