import type { Scene, SignerSaid } from './scene.js';
import type { PlainStrike } from './plainTables.js';

/** A finding that must be there, exactly. */
export interface Mark {
  readonly tenantId: string;
  readonly log: string;
  /** Null: about the log, not about one leaf. */
  readonly index: number | null;
  /** `V1` to `V10`. */
  readonly check: string;
  readonly code: string;
}

/** Findings that may stand beside: what follows from the damage, member by member; what is left out may be anything. */
export type Beside = Partial<Omit<Mark, 'index'>> & { readonly index?: number | null | ((index: number) => boolean) };

/** What a client asks of the damaged deployment, and what the answer must say. */
export type Question =
  /** A read by id is refused and names the finding. */
  | { readonly kind: 'refused'; readonly path: string; readonly code: string }
  /** A list is 200 and has an item that names the finding; a trace, a step. */
  | { readonly kind: 'step'; readonly path: string; readonly index: number; readonly code: string }
  | { readonly kind: 'item'; readonly path: string; readonly index: number; readonly code: string }
  /** `GET /audit/integrity` does not say of the log that it is verified. */
  | { readonly kind: 'not verified'; readonly path: string };

/** What an attack did, and what must be said of it. */
export interface Struck {
  /** Findings that must be there; empty: none may be. */
  readonly found: readonly Mark[];
  readonly beside?: readonly Beside[];
  /** It struck other tenants, too. */
  readonly everywhere?: boolean;
  readonly asked?: readonly Question[];
  /** What the running signer said. */
  readonly signer?: SignerSaid;
  /** Checks of the posture that must be told as an advisory. */
  readonly advisory?: boolean;
}

/**
 * Who finds it. `fsck`: the tables contradict themselves or the keys. `signer`: a running server refuses to sign it, and fsck says so too.
 * `outside memory`: only what is kept outside of the database tells, the signer's journal here. `sink`: the checkpoints that were sent elsewhere tell. `elsewhere`: nothing on this machine can tell;
 * a copy of a checkpoint kept elsewhere would. `nobody`: no trace is left. `advisory`: said, and no finding. `no attack`: honest, or
 * powerless; a finding would be false.
 */
export type FoundBy = 'fsck' | 'signer' | 'outside memory' | 'sink' | 'elsewhere' | 'nobody' | 'advisory' | 'no attack';

/** One thing that somebody with the database in his hands may do. */
export interface Attack {
  /** Stands in the scoreboard, unique. */
  readonly name: string;
  readonly foundBy: FoundBy;
  /** Which copy of the data it is struck at. */
  readonly copyOf?: 'now' | 'earlier';
  /** Whether the checks know a sink that was sent every checkpoint. */
  readonly withSink?: boolean;
  /** Smallest size of the target's `llm-runs` at which it can be struck. */
  readonly needs?: number;
  /** Strikes, and says what must be found. */
  readonly strike: (scene: Scene) => Promise<Struck>;
  /** The same at the two tables it is compared with; null: they have nothing that corresponds. */
  readonly plain: PlainStrike | null;
}

/** A group of attacks of one kind. */
export interface Family {
  readonly title: string;
  readonly attacks: readonly Attack[];
}
