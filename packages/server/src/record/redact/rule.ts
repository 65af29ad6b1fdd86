/** What stands in the place of what was removed. */
export type Action = 'mask' | 'token' | 'drop';

/**
 * What must follow an anchor before rules run: a number of token characters, user info of a URL, the end of a name, or the end
 * of a name that a value follows.
 */
export type Follow = number | 'userinfo' | 'word_end' | 'value';

/** A text that stands wherever a rule can match, ASCII, at least 3 long; compared without regard to case. */
export interface Anchor {
  readonly text: string;
  readonly follow: Follow;
}

/** What looking at a record may still cost. All its texts share it: many small ones must not cost more than a large one. */
export interface Work {
  /** Bytes that patterns may still run over, each pattern and each level of escapes by itself. */
  bytes: number;
  /** Places that patterns may still stop at, whether something is found there or not. */
  stops: number;
}

/**
 * Finds its matches in a text, or null when that took more than `work` allows. `text` is `bytes` as Latin-1, so offsets are byte
 * offsets in both.
 */
export type Finder = (text: string, bytes: Uint8Array, work: Work) => readonly Found[] | null;

/** A match: byte offsets, end exclusive. */
export interface Found {
  readonly start: number;
  readonly end: number;
}

/** Says yes or no of a text: a pattern, mostly. */
export interface TextTest {
  readonly test: (text: string) => boolean;
}

/** One rule, compiled. */
export interface Rule {
  /** Place in `Rules.all`, which is how the scan marks it. */
  readonly index: number;
  readonly id: string;
  readonly action: Action;
  /** Attributes whose value this rule removes, by their key: all of them, or those whose text has the shape. */
  readonly ofKey: { readonly matches: (key: string) => boolean; readonly shape: TextTest | null } | null;
  readonly finders: readonly Finder[];
  readonly anchors: readonly Anchor[];
  /** May match numbers, which are looked for by digits and not by anchors. */
  readonly digits: boolean;
  /** Runs on every text: a rule of one's own without anchors. */
  readonly always: boolean;
}
