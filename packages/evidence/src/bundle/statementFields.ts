import { Malformed } from '../malformed.js';

/** Members of an object of a statement, of which nothing is believed. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws Malformed `statement` */
export function objectOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a member is no object');
  return value as Fields;
}

/** @throws Malformed `statement` */
export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw wrong(`${name} is no text`);
  return value;
}

/** @throws Malformed `statement` */
export function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(`${name} is no count`);
  return value;
}

/** What a statement that is not as it must be is refused with. */
export function wrong(detail: string): Malformed {
  return new Malformed('statement', detail);
}
