import type { Topic } from '@sworn/evidence';
import type { Database } from '../store/database.js';
import type { DataKeys } from '../record/dataKeys.js';
import type { Directory } from '../record/directory.js';
import type { GovernanceRules } from '../otlp/map/governanceRules.js';
import type { Attribution } from '../otlp/map/attribution.js';
import type { Mapping } from '../otlp/map/tables.js';
import type { TelemetryRules } from '../otlp/map/telemetryRules.js';
import type { Vocabulary } from '../otlp/map/vocabulary.js';
import type { VerifyCheckpoint } from './checkpoints.js';
import type { OpenFindings } from './openFindings.js';
import type { HeldOrders } from './heldOrders.js';

/** What every question is asked with. */
export interface ReadDeps {
  readonly db: Database;
  /** Whose `system` says what happened to Sworn itself. */
  readonly platformTenant: string;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly verifyCheckpoint: VerifyCheckpoint;
  /** Verifies what sinks confirmed; not in the database. */
  readonly directoryKey: Uint8Array;
  readonly openFindings: OpenFindings;
  readonly cursorKey: Uint8Array;
  /** Token of a personal value under the tenant's pseudonym key. */
  readonly tokenOf: (tenantId: string, value: string) => Promise<string>;
  /** Key of the tenant's content hashes. */
  readonly contentKeyOf: (tenantId: string) => Promise<Uint8Array>;
  /** Data keys as the reader may open them. */
  readonly dataKeys: DataKeys;
  /** Whom tokens stand for. */
  readonly directory: Directory;
  /** Where a body's content stands. */
  readonly mapping: Mapping;
  /** How metrics are read for a run. */
  readonly telemetryRules: TelemetryRules;
  /** Where the reasons of governance stand. */
  readonly vocabulary: Vocabulary;
  readonly governance: GovernanceRules;
  /** Who answers for runs that failed. */
  readonly attribution: Attribution;
  /** Tree orders of long runs, one store a process. */
  readonly heldOrders: HeldOrders;
}

/** The size of a log at which an answer was computed. */
export interface Pin {
  readonly log: string;
  readonly size: number;
}

/** An answer, and what its access record says of it. */
export interface Reading<T> {
  readonly answer: T;
  readonly pins: readonly Pin[];
  /** Records in the answer. */
  readonly count: number;
  /** It holds what was encrypted, and is not to be kept by whoever passes it on. */
  readonly holdsContent?: boolean;
  /** Seconds after which there may be more to say; absent: it is said. */
  readonly retryAfter?: number;
  /** Sizes of all logs of the tenant as of this read, for the header. */
  readonly sizes: readonly (Pin & { readonly topic: Topic })[];
}
