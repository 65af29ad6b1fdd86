import { Malformed, type MalformedCode } from './malformed.js';

/** JSON as evidence is written in it: numbers are integers within ±(2^53−1), strings hold no lone surrogate and no noncharacter (RFC 7493). */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** Member names to values. */
export interface JsonObject {
  readonly [member: string]: JsonValue;
}

/** Bounds of a JSON text, and how a breach is reported. */
export interface JsonRules {
  readonly maxBytes: number;
  /** Nested lists and objects, the outermost counted. */
  readonly maxDepth: number;
  readonly maxListItems: number;
  /** What a member name must match. */
  readonly memberName: RegExp;
  readonly refuse: (code: MalformedCode, detail: string) => Malformed;
}

/** Bounds of any JSON that is not a leaf: far above what Sworn writes, far below what hurts. */
export const DOCUMENT: JsonRules = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 64,
  maxListItems: Number.POSITIVE_INFINITY,
  memberName: /^/,
  refuse: (code, detail) => new Malformed(code, detail),
};

/** Code points that RFC 7493 §2.1 forbids: surrogates on their own, and noncharacters. */
const FORBIDDEN = /[\p{Cs}\p{Noncharacter_Code_Point}]/u;
/** Printable ASCII without quote and backslash: written as it is. */
export const PLAIN = /^[ !#-[\]-~]*$/;

/** Refuses what I-JSON does not allow in a string. */
export function checkText(text: string, rules: JsonRules): void {
  if (!PLAIN.test(text) && FORBIDDEN.test(text)) throw rules.refuse('string', 'a lone surrogate or a noncharacter');
}
