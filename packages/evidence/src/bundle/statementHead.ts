/** The only bundle format there is (docs/spec/bundle.md). It is part of an export's identity: another one, other bytes. */
export const BUNDLE_FORMAT = 'sworn.bundle/1';

/** What is disclosed of the bodies that leaves commit to: nothing, those of governance, all. */
export const DISCLOSURES = ['none', 'governance', 'all'] as const;

/** One of them. */
export type Disclosure = (typeof DISCLOSURES)[number];

/** One log of a bundle: at which checkpoint its leaves are proven, and how many of what there are. */
export interface PinnedRecords {
  /** Stored name, which its files have too. */
  readonly log: string;
  readonly origin: string;
  /** Of the first checkpoint that covers the scope's last record there. */
  readonly size: number;
  /** Leaves that are in the bundle whole. */
  readonly shown: number;
  /** Leaves of the scope that are there as bare hashes. */
  readonly withheld: number;
  /** Bodies that leaves commit to: shown with their salt, kept back, gone by erasure. Sum: all of them. */
  readonly disclosed: number;
  readonly undisclosed: number;
  readonly erased: number;
}

/** What the statements of all kinds of bundles say; what else one says follows. */
export interface StatementOf<S extends { readonly kind: string; readonly tenant_id: string }> {
  readonly format: typeof BUNDLE_FORMAT;
  readonly scope: S;
  readonly disclosure: Disclosure;
  /** In the order of their names. */
  readonly logs: readonly PinnedRecords[];
}

/** What all say of themselves but for their scope. */
export type StatementHead = Omit<StatementOf<never>, 'scope'>;
