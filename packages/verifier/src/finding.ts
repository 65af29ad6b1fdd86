/**
 * One thing in a bundle that is not as it must be. A value, never thrown: whoever looks goes on, and says all that it found.
 * @typeParam Code the closed list of what one layer can find
 */
export interface Finding<Code extends string> {
  readonly code: Code;
  /** The file of the bundle that it is about, by its name in the archive, written in printable ASCII; null: the bundle as a whole. */
  readonly entry: string | null;
  readonly expected: string;
  readonly found: string;
}

/** Where a finding is told. */
export type Tell<Code extends string> = (finding: Finding<Code>) => void;

/**
 * Findings of one layer that are listed; further ones are counted. An archive made for it could have a hundred thousand, and whoever reads a
 * thousand knows what he needs.
 */
const LISTED_FINDINGS = 1000;

/** What a layer told. */
export interface Told<Code extends string> {
  readonly findings: readonly Finding<Code>[];
  /** How many more there were than the list holds. */
  readonly unlisted: number;
}

/** Takes findings one by one, in bounded memory. */
export class FindingList<Code extends string> implements Told<Code> {
  readonly #listed: Finding<Code>[] = [];
  #told = 0;

  readonly tell: Tell<Code> = (finding) => {
    this.#told++;
    if (this.#listed.length < LISTED_FINDINGS) this.#listed.push(finding);
  };

  get findings(): readonly Finding<Code>[] {
    return this.#listed;
  }

  get unlisted(): number {
    return this.#told - this.#listed.length;
  }
}
