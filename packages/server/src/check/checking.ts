import type { KeyStore } from '../record/keyStore.js';
import type { VerifyCheckpoint } from '../read/checkpoints.js';
import type { SinkMemory } from '../sign/fileSink.js';
import type { SignerMemory } from '../sign/journal.js';
import type { Recovered } from '../sign/recovered.js';
import { type HeadRow, type LogPlace, readHeads } from '../store/checking.js';
import { type Database, outsideTenants, type Tx } from '../store/database.js';

/** What the checks work with. */
export interface Checking {
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly recorderKey: Uint8Array;
  readonly directoryKey: Uint8Array;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly verifyCheckpoint: VerifyCheckpoint;
  /** What is remembered outside of the database; null: this host signs nothing. */
  readonly memory: SignerMemory | null;
  /** What was recovered of a tenant: its closed logs are not what the memory says, and a leaf of ours says why. */
  readonly recoveredOf: (tenantId: string) => Promise<Recovered>;
  /** What sinks hold. */
  readonly sinks: SinkMemory;
  /** Data keys that were unwrapped before, by tenant and id. */
  readonly keys: Map<string, Unwrapped>;
  /** Asks as the checker's role, in a short transaction of its own: what lies below a head never changes. */
  ask<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

/** Lets whoever shares the thread have a turn; null: there is no need yet. */
export type Breathe = () => Promise<void> | null;

/** A data key that is there. */
export interface Unwrapped {
  /** As `DataKey.prk`; null: it does not open under the tenant's key. */
  readonly prk: Uint8Array | null;
}

/** What of it others have ready. */
export type CheckingDeps = Omit<Checking, 'ask' | 'keys'>;

/** Whether a log was given up and goes on in a later generation. */
export async function isGivenUp(checking: Checking, { tenantId, log }: LogPlace): Promise<boolean> {
  return (await checking.recoveredOf(tenantId)).closed.has(log);
}

/** The head as it is now; null: there is none. */
export async function headNow(checking: Checking, { tenantId, log }: LogPlace): Promise<HeadRow | null> {
  return (await checking.ask((tx) => readHeads(tx, tenantId))).find((head) => head.log === log) ?? null;
}

export function createChecking(deps: CheckingDeps): Checking {
  return {
    ...deps,
    keys: new Map(),
    ask: (work) => outsideTenants(deps.db, 'checker', work, { snapshot: true, readOnly: true, inIndexOrder: true }),
  };
}
