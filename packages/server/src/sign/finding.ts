/** Why the signer will not sign a log; recorded in `control` as a FINDING. */
export type SignerFindingKind =
  | 'SIGNER_MEMORY_LOST'
  | 'UNAUTHENTICATED_APPEND'
  | 'LOG_SHORTER_THAN_SIGNED'
  | 'LOG_DIFFERS_FROM_SIGNED'
  /** A later generation that no LOG_RECOVERED leaf of ours opened. */
  | 'LOG_NOT_RECOVERED'
  /** The key that is valid for the size by the tenant's `control` is not in the key directory. */
  | 'SIGNING_KEY_MISSING'
  | 'NOT_DURABLE';

/** A finding of the signer about one log. */
export interface SignerFinding {
  readonly finding: SignerFindingKind;
  readonly tenantId: string;
  readonly log: string;
  /** First leaf index that is not vouched for. */
  readonly index: number;
  readonly expected: string;
  readonly found: string;
}
