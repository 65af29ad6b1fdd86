import type {
  CheckReport,
  Config,
  ExportProgress,
  FsckRequest,
  KeyBounds,
  MadeBundle,
  RunningApp,
} from '@sworn/server';

export type { ExportProgress, MadeBundle };
import type { Terminal } from './terminal.js';

/** A tenant as lists show it. */
export interface TenantView {
  readonly tenantId: string;
  readonly name: string;
  readonly synthetic: boolean;
  readonly platform: boolean;
  readonly createdAt: string;
}

/** A key as lists show it; never its secret. */
export interface KeyView extends KeyBounds {
  readonly keyId: string;
  readonly role: KeyRole;
  readonly scopes: readonly string[];
  readonly services: readonly string[];
  readonly label: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  /** False: the row is not what its `control` leaf says, and the key opens nothing. */
  readonly proven: boolean;
}

/** What a tenant may use; null: as much as there is. */
export interface QuotasView {
  /** Of OTLP, inflated, on a UTC day. */
  readonly bytesADay: number | null;
  readonly openRuns: number | null;
  readonly keys: number | null;
}

/** What it uses of that, today and now. */
export type UsedView = { readonly [Quota in keyof QuotasView]: number };

export type KeyRole = 'ingest' | 'reader' | 'auditor';

/** A log and the key that signs its checkpoints. */
export interface LogKey {
  readonly origin: string;
  /** C2SP vkey line: `<origin>+<key id>+<base64>`. */
  readonly vkey: string;
  /** SubjectPublicKeyInfo as PEM, for `openssl`. */
  readonly pem: string;
  /** Sizes that the key is valid for, both included; `lastSize` null: it signs on. */
  readonly fromSize: number;
  readonly lastSize: number | null;
}

/** What a log is about; its later generations are called `<topic>.<n>`. */
export type LogTopic = 'llm-runs' | 'system' | 'audit' | 'access' | 'control';

/** A log that was given up. Sizes are in leaves. */
export interface RecoveredLog {
  readonly tenantId: string;
  readonly log: string;
  /** The log that goes on in its place; null when the tenant is gone from the database. */
  readonly toLog: string | null;
  readonly sizeFound: number;
  readonly sizeSigned: number;
  /** First leaf that is lost, or there and proven by nothing. */
  readonly lostFrom: number;
}

/**
 * What the commands need of a deployment. Opened on the same database and keys as a running server, and beside it: every
 * change goes through the same sequencer code, and heads are locked in the database.
 */
export interface Deployment {
  createTenant(request: { readonly name: string; readonly synthetic: boolean }): Promise<string>;
  listTenants(): Promise<readonly TenantView[]>;
  readQuotas(tenantId: string): Promise<{ readonly quotas: QuotasView; readonly used: UsedView }>;
  /** Says anew what is named; recorded in `control`. */
  changeQuotas(tenantId: string, change: Partial<QuotasView>): Promise<{ readonly quotas: QuotasView }>;
  issueKey(request: {
    readonly tenantId: string;
    readonly role: KeyRole;
    readonly scopes: readonly string[];
    readonly services: readonly string[];
    readonly label: string | null;
    /** Milliseconds; absent: the default of 90 days. */
    readonly livesMs?: number;
    /** Absent: none. */
    readonly bounds?: KeyBounds;
  }): Promise<{ readonly keyId: string; readonly key: string; readonly expiresAt: string }>;
  listKeys(tenantId: string): Promise<readonly KeyView[]>;
  /** False when the tenant has no such key. */
  revokeKey(tenantId: string, keyId: string): Promise<boolean>;
  /** The exact bytes of a leaf, its access record written first; null when there is none. */
  readLeaf(tenantId: string, recordId: string): Promise<Uint8Array | null>;
  /** One entry for each log of the tenant and each of its keys: logs in the order of the topics, keys oldest first. */
  logKeys(tenantId: string): Promise<readonly LogKey[]>;
  /** A `postgres://` URL of the embedded database, null when it is not embedded; recorded in `control` first. */
  databaseUrl(options: { readonly superuser: boolean }): Promise<string | null>;
  /** Takes the newest checkpoints as the signer's memory; recorded in `control`. */
  adoptSigner(): Promise<readonly { readonly origin: string; readonly size: number }[]>;
  /** Gives the deployment a new signing key; keys in hex. */
  rotateSigner(): Promise<{ readonly publicKey: string; readonly retired: string; readonly tenants: number }>;
  /** Closes logs that are not what was signed of them, and opens their next generations; empty when nothing is wrong. */
  recoverLogs(request: {
    readonly tenantId: string | null;
    readonly topic: LogTopic | null;
    readonly reason: string;
    readonly approver: string;
  }): Promise<readonly RecoveredLog[]>;
  /** Says that a clock that jumped is right; recorded in `control`. */
  acceptClock(): Promise<void>;
  /** Makes a bundle; that it was asked for and made is recorded. Rejects with a sentence when there is none. */
  exportRun(
    asked: { readonly tenantId: string } & ExportAsked,
    tell: (progress: ExportProgress) => void,
  ): Promise<MadeBundle>;
  /** Maps sealed runs again that were made with another version of the mapping, one after the other. */
  remap(request: {
    readonly tenantId: string;
    readonly runId: string | null;
    readonly dryRun: boolean;
  }): AsyncIterable<RemappedRun>;
  close(): Promise<void>;
}

/** What is exported, by kind. */
export type ExportScope =
  | { readonly kind: 'RUN'; readonly runId: string }
  | { readonly kind: 'RUNS'; readonly by: 'CONVERSATION' | 'INCIDENT' | 'SUBJECT'; readonly value: string }
  | {
      readonly kind: 'LOGS';
      readonly logs: 'audit' | 'compliance' | 'system';
      /** RFC 3339 UTC with six fractional digits. */
      readonly from: string;
      readonly to: string;
      readonly sample: ExportSample | null;
    };

/** How many leaves are drawn, and by which nonce; null where none are. */
export interface ExportSample {
  readonly size: number;
  readonly nonce: string | null;
}

/** Which contents are disclosed. */
export type ExportDisclosure = 'none' | 'governance' | 'all';

/** A bundle of a scope as it is now, or as an earlier export had it; null: as that one has it. */
export type ExportAsked =
  | { readonly scope: ExportScope; readonly disclosure: ExportDisclosure }
  | { readonly asOf: string; readonly disclosure: ExportDisclosure | null; readonly sample: ExportSample | null };

/** What became of a run that was to be mapped again. `changed`: members of its record that say something else now. */
export type RemappedRun =
  | { readonly kind: 'remapped'; readonly runId: string; readonly changed: readonly string[] }
  | { readonly kind: 'left'; readonly runId: string; readonly why: string };

/** Base URLs, without a slash at the end. */
export interface Addresses {
  readonly http: string;
  readonly otlpHttp: string;
  readonly otlpGrpc: string;
}

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** The process's environment, for what is no setting of a server. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Rejects with ConfigMistakes that name all mistakes. */
  readConfig(): Promise<Config>;
  /** Opens the deployment beside a running server, or on its database alone. */
  connect(config: Config): Promise<Deployment>;
  /** Starts the server in this process; it accepts when this resolves. */
  startApp(config: Config): Promise<RunningApp>;
  /** Checks the records, beside a running server or alone; writes nothing. */
  fsck(config: Config, request: FsckRequest): Promise<CheckReport>;
  /** Names of the migrations applied, in order. */
  migrate(config: Config): Promise<readonly string[]>;
}
