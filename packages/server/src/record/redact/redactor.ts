import { sizeClass } from '@sworn/evidence';
import {
  textOf,
  textValue,
  pathText,
  type Path,
  RECORD_SCHEMAS,
  type Rewriter,
  rewrite,
  withoutFields,
} from './rewrite.js';
import type { Rule } from './rule.js';
import { compileRules, type RulesFile } from './rules.js';
import { createScan, type Scan } from './scan.js';
import { findAll } from './text.js';

/** What a removed value leaves in the leaf: no commitment, and nothing that a sender wrote. */
export interface Removal {
  /** Id of the rule. */
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

/** Attribute keys whose rule is remembered; keys repeat, but a sender may make up any number of them. */
const KEYS_REMEMBERED = 8_192;
/** Longest attribute key that is asked about: a longer one is no name of anything. */
const KEY_BYTES = 512;
/** Looks at the bytes about to be stored, after which the whole record goes. */
const SECOND_LOOKS = 2;

/**
 * Compiles the rules and makes a redactor.
 * @throws RulesRefused naming every mistake.
 */
export function createRedactor(files: readonly RulesFile[]): Redactor {
  const rules = compileRules(files);
  const scan = createScan(rules);
  const ofKey = rememberedKeys(rules);

  return {
    redact(part, bytes, tokenOf) {
      const marks = scan(bytes);
      if (marks === null) return { bytes, removed: [] };
      const candidates = rules.filter((rule) => marks[rule.index] === 1);
      const removed: Removal[] = [];
      const look = firstLook({ rules, scan, ofKey, tokenOf }, removed);
      const rewritten = rewrite(bytes, RECORD_SCHEMAS[part], look, []) ?? bytes;
      return secondLook(part, rewritten, candidates, removed);
    },
  };
}

type KeyRules = (key: Uint8Array) => readonly Rule[];

function rememberedKeys(rules: readonly Rule[]): KeyRules {
  const withKeys = rules.filter((rule) => rule.ofKey !== null);
  const remembered = new Map<string, readonly Rule[]>();
  return (key) => {
    if (key.length > KEY_BYTES) return [];
    const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
    let found = remembered.get(text);
    if (found === undefined) {
      found = withKeys.filter((rule) => rule.ofKey?.matches(text));
      if (remembered.size >= KEYS_REMEMBERED) remembered.clear();
      remembered.set(text, found);
    }
    return found;
  };
}

interface Looking {
  readonly rules: readonly Rule[];
  readonly scan: Scan;
  readonly ofKey: KeyRules;
  readonly tokenOf: (text: Uint8Array) => string;
}

/** Every field by itself, by the schema: texts by what they hold, values by the key they stand under. */
function firstLook(looking: Looking, removed: Removal[]): Rewriter {
  const { rules, scan, ofKey, tokenOf } = looking;
  const note = (rule: Rule, path: Path, length: number): void => {
    removed.push({ rule: rule.id, path: pathText(path), n: sizeClass(length) });
  };
  const replacement = (rule: Rule, text: Uint8Array): Uint8Array =>
    Buffer.from(rule.action === 'token' ? tokenOf(text) : `[REDACTED:${rule.id}]`);

  return {
    text(bytes, path) {
      // Scanned again by itself: a span of a hundred thousand small texts costs no patterns on those without an anchor.
      const marks = scan(bytes);
      if (marks === null) return null;
      const matches = findAll(
        bytes,
        rules.filter((rule) => marks[rule.index] === 1),
      );
      if (matches.length === 0) return null;
      const dropping = matches.find(({ rule }) => rule.action === 'drop');
      if (dropping !== undefined) {
        note(dropping.rule, path, bytes.length);
        return new Uint8Array(0);
      }
      const pieces: Uint8Array[] = [];
      let copied = 0;
      for (const { rule, start, end } of matches) {
        const text = bytes.subarray(start, end);
        note(rule, path, text.length);
        pieces.push(
          bytes.subarray(copied, start),
          isBareNumber(bytes, start, end) ? JSON_NULL : replacement(rule, text),
        );
        copied = end;
      }
      return Buffer.concat([...pieces, bytes.subarray(copied)]);
    },
    named(key, value, path) {
      if (value.length === 0) return null;
      for (const rule of ofKey(key)) {
        const text = textOf(value);
        const shape = rule.ofKey?.shape ?? null;
        if (shape !== null && (text === null || !shape.test(Buffer.from(text).toString('latin1')))) continue;
        note(rule, path, value.length);
        return rule.action === 'drop' ? new Uint8Array(0) : textValue(replacement(rule, text ?? value));
      }
      return null;
    },
    number(digits, path) {
      const bytes = Buffer.from(digits);
      const match = findAll(
        bytes,
        rules.filter((rule) => rule.digits),
      )[0];
      if (match === undefined) return null;
      note(match.rule, path, bytes.length);
      return replacement(match.rule, bytes);
    },
  };
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

/**
 * Looks at the bytes about to be stored as a whole. What a rule still finds there goes with the whole field it is in; when
 * that does not help, nothing but identity and times is kept.
 */
function secondLook(part: RecordPart, first: Uint8Array, candidates: readonly Rule[], removed: Removal[]): Redacted {
  let bytes = first;
  for (let look = 0; look < SECOND_LOOKS; look++) {
    const matches = findAll(bytes, candidates);
    const rule = matches[0]?.rule;
    if (rule === undefined) return { bytes, removed };
    const cut = withoutFields(bytes, RECORD_SCHEMAS[part], (start, end) =>
      matches.some((m) => m.start < end && m.end > start),
    );
    for (const { path, length } of cut.taken)
      removed.push({ rule: rule.id, path: pathText(path), n: sizeClass(length) });
    if (cut.taken.length === 0) return { bytes, removed };
    bytes = cut.bytes;
  }
  const rule = findAll(bytes, candidates)[0]?.rule;
  if (rule === undefined) return { bytes, removed };
  removed.push({ rule: rule.id, path: 'body', n: sizeClass(bytes.length) });
  return { bytes: withoutFields(bytes, RECORD_SCHEMAS[part], () => true).bytes, removed };
}
