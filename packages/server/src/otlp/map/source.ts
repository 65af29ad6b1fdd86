import { type Attributes, type AttributeValue, jsonText } from '../attributes.js';

/** An attribute, or a member inside one that holds a key-value list or JSON text: attribute first, then member names. */
export type Source = string | readonly [attribute: string, ...members: string[]];

/** A list of sources; the first with a usable value wins. Known by identity to the index of its mapping. */
export type SourceTable = readonly Source[];

/** A source that a span may have a value for, with its place in its table. */
export interface Candidate {
  readonly source: Source;
  readonly rank: number;
}

/** Which tables ask for an attribute, and where in them. */
export type SourceIndex = ReadonlyMap<string, readonly (Candidate & { readonly table: SourceTable })[]>;

/** JSON text longer than this is not looked into: the members we ask for stand in small documents. */
const MAX_JSON_LENGTH = 262_144;

/**
 * Reads attributes by tables of sources, the first hit wins; remembers parsed JSON for the length of one span. It goes through the
 * attributes once and notes which tables ask for them: a span has a dozen, the tables have two hundred.
 */
export class Sources {
  readonly #attributes: Attributes;
  readonly #documents = new Map<string, unknown>();
  readonly #candidates = new Map<SourceTable, Candidate[]>();

  constructor(attributes: Attributes, index: SourceIndex) {
    this.#attributes = attributes;
    for (const key of attributes.keys()) {
      for (const asked of index.get(key) ?? NONE) {
        const known = this.#candidates.get(asked.table);
        if (known === undefined) this.#candidates.set(asked.table, [asked]);
        else insert(known, asked);
      }
    }
  }

  /** The sources of a table whose attribute is there, in its order. */
  of(table: SourceTable): readonly Candidate[] {
    return this.#candidates.get(table) ?? NONE;
  }

  /** undefined: not there, or null. */
  value(source: Source): AttributeValue | undefined {
    if (typeof source === 'string') return this.#attributes.get(source) ?? undefined;
    const [attribute, ...members] = source;
    let at: unknown = this.#document(attribute);
    for (const member of members) at = memberOf(at, member);
    if (at === null || at === undefined) return undefined;
    return isScalar(at) ? at : jsonText(at);
  }

  /** The value if it is a string with something in it. */
  text(source: Source): string | null {
    const value = this.value(source);
    return typeof value === 'string' && value !== '' ? value : null;
  }

  /** A string or boolean in lower case, as vendors write their enumerations; null for anything else. */
  word(source: Source): string | null {
    const value = this.value(source);
    return typeof value === 'string' || typeof value === 'boolean' ? String(value).toLowerCase() : null;
  }

  /** A whole number from 0 to 2^53 − 1, also out of a double, a string or JSON. */
  count(source: Source): number | null {
    const value = this.number(source);
    return value !== null && Number.isSafeInteger(value) && value >= 0 ? value : null;
  }

  /** A finite number, also out of an int, a string or JSON. */
  number(source: Source): number | null {
    const value = this.value(source);
    if (typeof value !== 'number' && typeof value !== 'bigint' && !(typeof value === 'string' && NUMERIC.test(value))) {
      return null;
    }
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
  }

  /** The strings of a list, be it an array, JSON text of one, or a single string. */
  texts(source: Source): string[] {
    const value = this.value(source);
    if (typeof value === 'string' && value.trimStart().startsWith('[') && value.length <= MAX_JSON_LENGTH) {
      const parsed = parseJson(value);
      if (Array.isArray(parsed)) return parsed.filter((item) => typeof item === 'string');
    }
    if (typeof value === 'string') return value === '' ? [] : [value];
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  }

  firstText(table: SourceTable, accept: (text: string) => boolean = () => true): string | null {
    for (const { source } of this.of(table)) {
      const text = this.text(source);
      if (text !== null && accept(text)) return text;
    }
    return null;
  }

  firstCount(table: SourceTable): number | null {
    for (const { source } of this.of(table)) {
      const count = this.count(source);
      if (count !== null) return count;
    }
    return null;
  }

  /** The members of an attribute that holds an object. */
  members(attribute: string): readonly (readonly [name: string, value: unknown])[] {
    const document = this.#document(attribute);
    if (document instanceof Map) return [...document] as [string, unknown][];
    return typeof document === 'object' && document !== null ? Object.entries(document) : [];
  }

  #document(attribute: string): unknown {
    if (!this.#attributes.has(attribute)) return undefined;
    if (!this.#documents.has(attribute)) this.#documents.set(attribute, parseDocument(this.#attributes.get(attribute)));
    return this.#documents.get(attribute);
  }
}

const NONE: readonly never[] = [];

function insert(candidates: Candidate[], candidate: Candidate): void {
  let at = candidates.length;
  while (at > 0 && (candidates[at - 1] as Candidate).rank > candidate.rank) at--;
  candidates.splice(at, 0, candidate);
}

const NUMERIC = /^-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$/;

function parseDocument(value: AttributeValue | undefined): unknown {
  if (typeof value !== 'string') return value;
  return value.length <= MAX_JSON_LENGTH && value.trimStart().startsWith('{') ? parseJson(value) : undefined;
}

/** undefined: not JSON, so nothing is in it. The text itself stays in the body. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Own members alone: the sender chooses the names. */
function memberOf(holder: unknown, member: string): unknown {
  if (holder instanceof Map) return holder.get(member);
  if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, member)) return undefined;
  return (holder as Readonly<Record<string, unknown>>)[member];
}

function isScalar(value: unknown): value is string | number | bigint | boolean {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}
