import { type Checkpoint, equalBytes } from '@sworn/evidence';
import type { Signed } from './journal.js';

/** A stored checkpoint of ours, on its way to a sink. */
export interface Offered extends Signed {
  readonly tenantId: string;
  readonly log: string;
  readonly origin: string;
  readonly note: string;
}

/** What a sink held against a checkpoint. */
export type Delivery =
  | { readonly kind: 'confirmed' }
  /** The sink holds `held`, which carries our signature too, and the two do not belong to one log: ours is shorter, or differs. */
  | { readonly kind: 'contradicted'; readonly how: 'shorter' | 'differs'; readonly held: Signed };

/** Why a sink did not confirm. The message holds nothing secret, and nothing that the sink said. */
export class SinkFailure extends Error {}

/** A place that keeps checkpoints. */
export interface Sink {
  /** Its URL, without anything secret. */
  readonly name: string;
  /** Whether it lies out of reach of whoever can rewrite the database. */
  readonly outside: boolean;
  /** Hands over a checkpoint; again is the same as once. @throws Error when it was not confirmed, for whatever reason, `stopping` among them */
  deliver(offered: Offered, stopping: AbortSignal): Promise<Delivery>;
  /** Logs it is known to hold checkpoints of; empty when it cannot be asked. */
  origins(): Promise<readonly string[]>;
}

/** What a sink needs to hold a checkpoint against another. */
export interface HeldAgainst {
  /** Whether a checkpoint is one that we signed, of the log that is offered. Who can write to a sink could otherwise accuse us. */
  readonly isOurs: (offered: Offered, held: Checkpoint, note: string) => boolean | Promise<boolean>;
  /** Whether the stored log proves that its first `to.size` leaves, with that root, begin with those of `from`. */
  readonly continues: (offered: Offered, from: Signed, to: Signed) => Promise<boolean>;
}

/** How an offered checkpoint stands to one that is held: null, it is that one or continues it. */
export async function contradictionTo(
  { continues }: HeldAgainst,
  held: Signed,
  offered: Offered,
): Promise<'shorter' | 'differs' | null> {
  if (offered.size < held.size) return 'shorter';
  if (offered.size === held.size) return equalBytes(offered.root, held.root) ? null : 'differs';
  return (await continues(offered, held, offered)) ? null : 'differs';
}
