import { nameShaped } from './name.js';

/** Something wrong with a file of rules, and where: the keys and indexes that lead there. */
export interface Mistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Entries of one list. */
const MAX_ENTRIES = 1_024;

type Path = readonly (string | number)[];
type Entry = Readonly<Record<string, unknown>>;

/** Reads parsed YAML by what it should be, and notes what is otherwise. */
export class StrictReading {
  readonly mistakes: Mistake[] = [];

  refuse(path: Path, why: string): void {
    this.mistakes.push({ path, why });
  }

  /** An object with these members, and, of those that are `optional`, any. */
  object(value: unknown, path: Path, members: readonly string[], optional: readonly string[] = []): Entry {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(path, `must have ${[...members, ...optional].join(', ')}`);
      return {};
    }
    const known = [...members, ...optional];
    for (const name of Object.keys(value))
      if (!known.includes(name)) this.refuse([...path, name], `is no part of it; there is ${known.join(', ')}`);
    for (const name of members) if (!Object.hasOwn(value, name)) this.refuse([...path, name], 'is missing');
    return value as Entry;
  }

  list(value: unknown, path: Path): readonly unknown[] {
    if (Array.isArray(value) && value.length <= MAX_ENTRIES) return value as unknown[];
    this.refuse(path, `must be a list of at most ${MAX_ENTRIES}`);
    return [];
  }

  entries(value: unknown, path: Path, members: readonly string[], optional: readonly string[]) {
    return this.list(value, path).map((item, at) => ({
      entry: this.object(item, [...path, at], members, optional),
      path: [...path, at],
    }));
  }

  texts(value: unknown, path: Path): string[] {
    return this.list(value, path).filter((text, at): text is string => {
      const fits = typeof text === 'string' && nameShaped(text);
      if (!fits) this.refuse([...path, at], 'must be a name of at most 128 characters');
      return fits;
    });
  }

  oneOf<T extends string>(known: readonly T[], value: unknown, path: Path): T | null {
    const found = known.find((one) => one === value) ?? null;
    if (found === null) this.refuse(path, `must be one of ${known.join(', ')}`);
    return found;
  }

  eventName(value: unknown, path: Path, names: Map<string, string>): string | null {
    if (typeof value !== 'string' || !nameShaped(value)) {
      this.refuse([...path, 'event'], 'must be a name of at most 128 characters');
      return null;
    }
    const before = names.get(value);
    if (before !== undefined) this.refuse([...path, 'event'], `${value} stands at ${before} too`);
    names.set(value, path.join('.'));
    return value;
  }
}
