import type { JsonValue } from '../json.js';

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
  return new MembersOf(value);
}

/** A class, since there is one of every leaf that is read: it is one small object, and not a closure for each question. */
class MembersOf implements Members {
  readonly #value: Readonly<Record<string, JsonValue>>;

  constructor(value: Readonly<Record<string, JsonValue>>) {
    this.#value = value;
  }

  text(name: string): string | null {
    const value = this.#value[name];
    return typeof value === 'string' ? value : null;
  }

  count(name: string): number | null {
    const value = this.#value[name];
    return typeof value === 'number' ? value : null;
  }

  flag(name: string): boolean | null {
    const value = this.#value[name];
    return typeof value === 'boolean' ? value : null;
  }

  texts(name: string): readonly string[] {
    return listOf(this.#value[name]).filter((item) => typeof item === 'string');
  }

  object(name: string): Members {
    return new MembersOf(objectOf(this.#value[name]));
  }

  objects(name: string): readonly Members[] {
    return listOf(this.#value[name]).map((item) => new MembersOf(objectOf(item)));
  }
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};
}
