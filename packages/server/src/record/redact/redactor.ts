import { sizeClass } from '@sworn/evidence';
import {
  bareRecord,
  type Named,
  type Path,
  pathText,
  RECORD_SCHEMAS,
  removableFields,
  type Rewriter,
  rewrite,
  textOf,
  textValue,
  type TopField,
  without,
} from './rewrite.js';
import type { Found, Rule, Work } from './rule.js';
import { BEYOND_BOUNDS } from './rules.js';
import { createScan, type Scan } from './scan.js';
import { findAll, TEXT_BYTES } from './text.js';

/** What a removed value leaves in the leaf: no commitment, and nothing that a sender wrote. */
export interface Removal {
  /** Id of the rule, or `beyond_bounds`: a text that was not looked through. */
  readonly rule: string;
  /** By schema names and list indexes, `[a-z0-9_.]{1,64}`, e.g. `attributes.3.value.string_value`; `body` for the whole record. */
  readonly path: string;
  /** Size class of what was removed. */
  readonly n: number;
}

/** A record after redaction. Without removals, `bytes` are the very bytes that went in. */
export interface Redacted {
  readonly bytes: Uint8Array;
  readonly removed: readonly Removal[];
}

/** Which message the bytes are. A resource is a ResourceSpans without its spans, a scope a ScopeSpans without them. */
export type RecordPart = keyof typeof RECORD_SCHEMAS;

/** Removes secrets and personal numbers from OTLP records before anything of them is stored (`config/redaction.yaml`). */
export interface Redactor {
  /** `tokenOf` makes the tenant's token of a removed text, for rules with `action: token`. Never throws, whatever the bytes. */
  redact(part: RecordPart, bytes: Uint8Array, tokenOf: (text: Uint8Array) => string): Redacted;
}

/** Longest attribute key of which all is asked about; of a longer one it is the end, where names are. */
const KEY_BYTES = 512;
/** Values taken out of a record one by one. Texts with more of them go whole. */
const REMOVALS = 256;
/** All that is taken out of a record, whole texts included. With more to take, the record keeps but its ids and times. */
const ALL_REMOVALS = 512;
/** Bytes that patterns run over for one look at a record, each pattern by itself: about a tenth of a second. */
const WORK_BYTES = 24 * 1024 * 1024;
/** Places that patterns stop at for one look at a record. */
const WORK_STOPS = 65_536;
/** Shortest number that rules are asked about, as for the scan. */
const NUMBER_DIGITS = 11;
/** Longest record that is looked at as a whole before it is stored; of a longer one each field by itself. */
const WHOLE_BYTES = 64 * 1024;
/** Looks at the bytes about to be stored, after which the whole record goes. */
const SECOND_LOOKS = 2;

/** Makes a redactor that goes by these rules. */
export function createRedactor(rules: readonly Rule[]): Redactor {
  const scan = createScan(rules);

  return {
    redact(part, bytes, tokenOf) {
      // Of a long record each field is scanned by itself anyway.
      const isLong = bytes.length > WHOLE_BYTES;
      const marks = scan(bytes, isLong ? 'any' : undefined);
      if (marks === null) return { bytes, removed: [] };
      const candidates = isLong ? rules : rules.filter((rule) => marks[rule.index] === 1);
      const look = new FirstLook(rules, scan, tokenOf);
      const rewritten = rewrite(bytes, RECORD_SCHEMAS[part], look);
      if (rewritten === 'too_many' || look.isBeyond) return bare(part, bytes, BEYOND_BOUNDS, look.removed);
      return secondLook(part, rewritten ?? bytes, { candidates, scan, removed: look.removed });
    },
  };
}

/** A fresh allowance. Beyond it a text is not looked through, so it goes whole: nothing passes unlooked. */
function newWork(times = 1): Work {
  return { bytes: WORK_BYTES * times, stops: WORK_STOPS * times };
}

/** Nothing more is looked through. */
function isSpent({ bytes, stops }: Work): boolean {
  return bytes < 0 || stops < 0;
}

/** Every field by itself, by the schema: texts by what they hold, values by the key they stand under. */
class FirstLook implements Rewriter {
  readonly removed: Removal[] = [];
  readonly #rules: readonly Rule[];
  readonly #scan: Scan;
  readonly #tokenOf: (text: Uint8Array) => string;
  readonly #work = newWork();

  constructor(rules: readonly Rule[], scan: Scan, tokenOf: (text: Uint8Array) => string) {
    this.#rules = rules;
    this.#scan = scan;
    this.#tokenOf = tokenOf;
  }

  /** More is to be taken out than is worth a list. From then on nothing is looked at. */
  get isBeyond(): boolean {
    return this.removed.length >= ALL_REMOVALS;
  }

  text(bytes: Uint8Array, path: Path): Uint8Array | null {
    if (this.isBeyond) return null;
    // Scanned again by itself: a span of a hundred thousand small texts costs no patterns on those without an anchor.
    if (bytes.length > TEXT_BYTES || isSpent(this.#work))
      return this.#scan(bytes, 'any') === null ? null : this.#whole(BEYOND_BOUNDS, path, bytes);
    const rules = this.#marked(bytes);
    if (rules.length === 0) return null;
    const matches = findAll(bytes, rules, this.#work);
    if (matches?.length === 0) return null;
    if (matches === null || matches.length > REMOVALS - this.removed.length)
      return this.#whole(BEYOND_BOUNDS, path, bytes);
    const dropping = matches.find(({ rule }) => rule.action === 'drop');
    if (dropping !== undefined) return this.#whole(dropping.rule.id, path, bytes);
    const pieces: Uint8Array[] = [];
    let copied = 0;
    for (const { rule, start, end } of matches) {
      const text = bytes.subarray(start, end);
      this.#note(rule.id, path, text.length);
      pieces.push(
        bytes.subarray(copied, start),
        isBareNumber(bytes, start, end) ? JSON_NULL : this.#replacement(rule, text),
      );
      copied = end;
    }
    return Buffer.concat([...pieces, bytes.subarray(copied)]);
  }

  named(keys: readonly Uint8Array[]): Named | null {
    if (this.isBeyond) return null;
    const rules = keys.flatMap((key) => this.#rulesOfKey(key));
    if (rules.length === 0) return null;
    return (value, path) => {
      if (value.length === 0 || this.isBeyond) return null;
      for (const rule of rules) {
        const text = textOf(value);
        const shape = rule.ofKey?.shape ?? null;
        if (shape !== null && (text === null || !shape.test(latin1(text.subarray(0, SHAPED_BYTES))))) continue;
        this.#note(rule.id, path, value.length);
        return rule.action === 'drop' ? new Uint8Array(0) : textValue(this.#replacement(rule, text ?? value));
      }
      return null;
    };
  }

  number(digits: string, path: Path): Uint8Array | null {
    if (this.isBeyond || digits.length < NUMBER_DIGITS) return null;
    const bytes = Buffer.from(digits);
    const rules = this.#rules.filter((rule) => rule.digits);
    const matches = findAll(bytes, rules, this.#work);
    if (matches?.length === 0) return null;
    const rule = matches?.[0]?.rule;
    this.#note(rule?.id ?? BEYOND_BOUNDS, path, bytes.length);
    return rule === undefined ? new Uint8Array(0) : this.#replacement(rule, bytes);
  }

  #marked(bytes: Uint8Array): readonly Rule[] {
    const marks = this.#scan(bytes);
    return marks === null ? [] : this.#rules.filter((rule) => marks[rule.index] === 1);
  }

  #rulesOfKey(key: Uint8Array): readonly Rule[] {
    const end = key.subarray(-KEY_BYTES);
    const marked = this.#marked(end).filter((rule) => rule.ofKey !== null);
    if (marked.length === 0) return marked;
    const name = latin1(end);
    const plain = name.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
    return marked.filter((rule) => rule.ofKey?.matches(name) || rule.ofKey?.matches(plain));
  }

  #whole(rule: string, path: Path, bytes: Uint8Array): Uint8Array {
    this.#note(rule, path, bytes.length);
    return new Uint8Array(0);
  }

  #note(rule: string, path: Path, length: number): void {
    this.removed.push({ rule, path: pathText(path), n: sizeClass(length) });
  }

  #replacement(rule: Rule, text: Uint8Array): Uint8Array {
    return Buffer.from(rule.action === 'token' ? this.#tokenOf(text) : `[REDACTED:${rule.id}]`);
  }
}

/** Longest start of a value that a shape is asked about: more than the longest value it takes. */
const SHAPED_BYTES = 8_192;

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

const JSON_NULL = Buffer.from('null');

/** A number that stands as a JSON value by itself: `null` in its place keeps the JSON readable, a text would not. */
function isBareNumber(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if ((byte < 0x30 || byte > 0x39) && byte !== 0x2d && byte !== 0x2e) return false;
  }
  let before = start - 1;
  let after = end;
  while (bytes[before] === 0x20) before--;
  while (bytes[after] === 0x20) after++;
  return ':[,'.includes(char(bytes[before])) && ',]}'.includes(char(bytes[after]));
}

function char(byte: number | undefined): string {
  return byte === undefined ? '\0' : String.fromCharCode(byte);
}

interface Looked {
  readonly candidates: readonly Rule[];
  readonly scan: Scan;
  readonly removed: Removal[];
}

/**
 * Looks at the bytes about to be stored. What a rule still finds there goes with the whole field it is in; when that does not
 * help, nothing but identity and times is kept.
 */
function secondLook(part: RecordPart, first: Uint8Array, looked: Looked): Redacted {
  const { removed } = looked;
  // What the first look found affordable must be so for this one, which sees keys and values together.
  const work = newWork(1.25);
  let bytes = first;
  for (let look = 0; look < SECOND_LOOKS; look++) {
    const fields = removableFields(bytes, RECORD_SCHEMAS[part]);
    const still = stillIn(bytes, fields, looked, work);
    if (still.length === 0) return { bytes, removed };
    const going = fields.filter(({ start, end }) => still.some((found) => found.start < end && found.end > start));
    if (going.length === 0) return { bytes, removed };
    if (removed.length + going.length > ALL_REMOVALS) return bare(part, bytes, BEYOND_BOUNDS, removed);
    for (const { path, start, end } of going)
      removed.push({ rule: still[0]?.rule ?? BEYOND_BOUNDS, path: pathText(path), n: sizeClass(end - start) });
    bytes = without(bytes, going);
  }
  const rule = stillIn(bytes, removableFields(bytes, RECORD_SCHEMAS[part]), looked, work)[0]?.rule;
  return rule === undefined ? { bytes, removed } : bare(part, bytes, rule, removed);
}

interface Still extends Found {
  /** Id of a rule, or `beyond_bounds` where it is not known whether one finds anything. */
  readonly rule: string;
}

/** The whole record at once, or, where it is too long for that, each of its fields. */
function stillIn(bytes: Uint8Array, fields: readonly TopField[], { candidates, scan }: Looked, work: Work): Still[] {
  const matches = bytes.length > WHOLE_BYTES ? null : findAll(bytes, candidates, newWork());
  if (matches !== null) return matches.map(({ rule, start, end }) => ({ rule: rule.id, start, end }));
  const still: Still[] = [];
  for (const { start, end } of fields) {
    const field = bytes.subarray(start, end);
    const marks = scan(field, field.length > TEXT_BYTES || isSpent(work) ? 'any' : undefined);
    if (marks === null) continue;
    const inField = findAll(
      field,
      candidates.filter((rule) => marks[rule.index] === 1),
      work,
    );
    if (inField?.length === 0) continue;
    still.push({ rule: inField?.[0]?.rule.id ?? BEYOND_BOUNDS, start, end });
  }
  return still;
}

function bare(part: RecordPart, bytes: Uint8Array, rule: string, removed: readonly Removal[]): Redacted {
  const whole = { rule, path: 'body', n: sizeClass(bytes.length) };
  return { bytes: bareRecord(bytes, RECORD_SCHEMAS[part]), removed: [...removed.slice(0, ALL_REMOVALS), whole] };
}
