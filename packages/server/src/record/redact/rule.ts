/** What stands in the place of what was removed. */
export type Action = 'mask' | 'token' | 'drop';

/** How far the text after an anchor is looked at before rules run: a number of token characters, or user info of a URL. */
export type Follow = number | 'userinfo' | 'word_end';

/** A text that stands wherever a rule can match, ASCII, at least 3 long; compared without regard to case. */
export interface Anchor {
  readonly text: string;
  readonly follow: Follow;
}

/** Finds its matches in a text. `text` is `bytes` as Latin-1, so offsets are byte offsets in both. */
export type Finder = (text: string, bytes: Uint8Array) => readonly Found[];

/** A match: byte offsets, end exclusive. */
export interface Found {
  readonly start: number;
  readonly end: number;
}

/** One rule, compiled. */
export interface Rule {
  /** Place in `Rules.all`, which is how the scan marks it. */
  readonly index: number;
  readonly id: string;
  readonly action: Action;
  /** Attributes whose value this rule removes, by their key: all of them, or those whose text has the shape. */
  readonly ofKey: { readonly matches: (key: string) => boolean; readonly shape: RegExp | null } | null;
  readonly finders: readonly Finder[];
  readonly anchors: readonly Anchor[];
  /** May match numbers, which are looked for by digits and not by anchors. */
  readonly digits: boolean;
  /** Runs on every text: a rule of one's own without anchors. */
  readonly always: boolean;
}
